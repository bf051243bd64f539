import { readOutput, readResponseFormat } from '../../../lib/structured/response-format.js'

const format = readResponseFormat('json', 'stream')

test.each([
  ['length', 'allow more by maxTokens'],
  ['time', 'allow more by timeLimit'],
  ['stop', 'a text of stop came within it'],
])('JSON that was cut off by %s says what helps', async (reason, cure) => {
  const failure = await readOutput(format, '{"a', reason, []).catch((error: unknown) => error)
  expect(failure).toMatchObject({
    code: 'OUTPUT_INCOMPLETE',
    message: expect.stringContaining(`the reply ended (${reason}) before its JSON did: ${cure}`) as string,
    details: { reason },
  })
  // Whoever gave up by a signal needs no cure.
  await expect(readOutput(format, '{"a', 'abort', [])).rejects.toThrow(/before its JSON did$/)
  if (reason !== 'length') expect((failure as Error).message).not.toContain('maxTokens')
})

test('JSON that is whole is its value, whatever ended it', async () => {
  expect(await readOutput(format, '{"a":1}', 'length', [])).toEqual({ a: 1 })
})

test('another word for any JSON is told the right one', () => {
  expect(() => readResponseFormat('JSON', 'stream')).toThrow(
    "stream: 'responseFormat' must be a JSON schema, a schema of a library such as Zod or 'json', got 'JSON' (string)",
  )
})
