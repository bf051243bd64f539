// The set-up has fetched it, checked its checksum and named it here; where it could not, the tier of the tests that
// need it is left out, and in CI the run fails.
const path = process.env['STREAMING_LLM_TEST_MODEL']
if (path === undefined) throw new Error('run these by npm test: it fetches the model')

/** Where SmolLM2-135M-Instruct is. */
export const realModelPath: string = path
