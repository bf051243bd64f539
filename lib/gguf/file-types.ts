/**
 * The names of llama.cpp's mixtures of tensor types, by `general.file_type`. Numbers that are missing were types once
 * (4 to 6, 33 to 35) and are found in no file that can be read.
 */
const fileTypes: ReadonlyMap<number, string> = new Map([
  [0, 'F32'],
  [1, 'F16'],
  [2, 'Q4_0'],
  [3, 'Q4_1'],
  [7, 'Q8_0'],
  [8, 'Q5_0'],
  [9, 'Q5_1'],
  [10, 'Q2_K'],
  [11, 'Q3_K_S'],
  [12, 'Q3_K_M'],
  [13, 'Q3_K_L'],
  [14, 'Q4_K_S'],
  [15, 'Q4_K_M'],
  [16, 'Q5_K_S'],
  [17, 'Q5_K_M'],
  [18, 'Q6_K'],
  [19, 'IQ2_XXS'],
  [20, 'IQ2_XS'],
  [21, 'Q2_K_S'],
  [22, 'IQ3_XS'],
  [23, 'IQ3_XXS'],
  [24, 'IQ1_S'],
  [25, 'IQ4_NL'],
  [26, 'IQ3_S'],
  [27, 'IQ3_M'],
  [28, 'IQ2_S'],
  [29, 'IQ2_M'],
  [30, 'IQ4_XS'],
  [31, 'IQ1_M'],
  [32, 'BF16'],
  [36, 'TQ1_0'],
  [37, 'TQ2_0'],
  [38, 'MXFP4_MOE'],
  [39, 'NVFP4'],
  [40, 'Q1_0'],
  [41, 'Q2_0'],
])

/**
 * The name of a model's quantization: what the file says of itself; where it says nothing that is known, the type that
 * most bytes of its weights have.
 *
 * @param fileType the value of `general.file_type`
 * @param bytesByType bytes of the weights of each type of tensor
 */
export function quantizationName(fileType: unknown, bytesByType: ReadonlyMap<string, number>): string {
  const named = typeof fileType === 'number' ? fileTypes.get(fileType) : undefined
  if (named !== undefined) return named
  const [largest] = [...bytesByType].sort(([, a], [, b]) => b - a)
  return largest?.[0] ?? 'unknown'
}
