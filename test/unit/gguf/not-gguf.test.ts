import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { failureOf, failureOfFile, ModelDraft, temporaryDirectory } from './model-draft.js'

const directory = temporaryDirectory()
const path = join(directory, 'model.gguf')

test('a missing file', async () => {
  const failure = await failureOfFile(join(directory, 'missing.gguf'))
  expect(failure.code).toBe('MODEL_NOT_FOUND')
  expect(failure.message).toContain('There is no model file at')
})

test('a directory', async () => {
  const inner = join(directory, 'inner')
  mkdirSync(inner)
  const failure = await failureOfFile(inner)
  expect(failure.code).toBe('MODEL_NOT_FOUND')
  expect(failure.message).toContain('is a directory')
})

test('a path that no file can have', async () => {
  expect((await failureOfFile('model\0.gguf')).code).toBe('MODEL_NOT_FOUND')
  expect((await failureOfFile('')).code).toBe('MODEL_NOT_FOUND')
})

const safetensors = Buffer.concat([
  Buffer.from([0x40, 0, 0, 0, 0, 0, 0, 0]),
  Buffer.from('{"__metadata__":{"format":"pt"}}'),
])

test.each<[string, string | Buffer]>([
  ['a web page', '<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>'],
  ['a web page', '\n<HTML lang="en">\u00fc</HTML>'],
  ['a Git LFS pointer', 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n'],
  ['a zip archive', Buffer.from([0x50, 0x4b, 3, 4, 20, 0, 0, 0])],
  ['a safetensors file', safetensors],
  ['a Python pickle', Buffer.from([0x80, 2, 0x8a, 0x0a])],
  ['a compressed file', Buffer.from([0x1f, 0x8b, 8, 0])],
  ['used before GGUF', Buffer.from('tjgg\u0003\0\0\0')],
  ['an XML document', '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'],
  ['a JSON document', '{"error":"not found"}'],
  ['nothing but zeros', Buffer.alloc(4096)],
  ['text', 'hello\n'],
  ['big-endian', Buffer.concat([Buffer.from('FUGG'), Buffer.alloc(60)])],
])('%s instead of a model', async (what, content) => {
  const failure = await failureOf(path, Buffer.from(content as string))
  expect(failure.code).toBe('NOT_A_GGUF')
  expect(failure.message).toContain(what)
  expect(failure.details.firstBytes).toBe(
    Buffer.from(content as string)
      .subarray(0, 16)
      .toString('hex'),
  )
})

test('a file of no known kind is shown by its first bytes', async () => {
  const failure = await failureOf(path, Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]))
  expect(failure.code).toBe('NOT_A_GGUF')
  expect(failure.message).toContain('7f 45 4c 46 02 01 01 00 ".ELF...."')
})

test('a big-endian GGUF file', async () => {
  const bytes = new ModelDraft().toBuffer()
  bytes.writeUInt32BE(3, 4)
  const failure = await failureOf(path, bytes)
  expect(failure.code).toBe('NOT_A_GGUF')
  expect(failure.message).toContain('big-endian')
})
