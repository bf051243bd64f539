import { type Entry, MessageComposer } from '../../../lib/cli/message-composer.js'

function compose(...lines: string[]): (Entry | undefined)[] {
  const composer = new MessageComposer()
  return lines.map(line => composer.enter(line))
}

test('a line is a message', () => {
  expect(compose('hello')).toEqual([{ text: 'hello', asIs: false }])
  expect(compose('')).toEqual([{ text: '', asIs: false }])
})

test('a line with a backslash at its end goes on', () => {
  expect(compose('a\\', 'b\\', 'c', 'd')).toEqual([
    undefined,
    undefined,
    { text: 'a\nb\nc', asIs: false },
    { text: 'd', asIs: false },
  ])
})

test('a block is what stands between the quotes', () => {
  expect(compose(' """', '/a\\', '', 'b', '"""', 'c')).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
    { text: '/a\\\n\nb', asIs: true },
    { text: 'c', asIs: false },
  ])
  expect(compose('"""', '"""')).toEqual([undefined, { text: '', asIs: true }])
})

test('quotes inside a line, or in a message that goes on, begin no block', () => {
  expect(compose('"""a', 'b\\', '"""')).toEqual([
    { text: '"""a', asIs: false },
    undefined,
    { text: 'b\n"""', asIs: false },
  ])
})

describe('pasted lines', () => {
  test('wait for what follows, and are meant as they stand', () => {
    const composer = new MessageComposer()
    composer.paste('/a\\', true)
    composer.paste('"""', false)
    expect(composer.open).toBe(true)
    expect(composer.enter('')).toEqual({ text: '/a\\\n"""', asIs: true })
    expect(composer.open).toBe(false)
  })

  test('belong to what was typed before them', () => {
    const composer = new MessageComposer()
    composer.paste('/system a', false)
    expect(composer.enter('b')).toEqual({ text: '/system a\nb', asIs: false })
  })

  test('close no block', () => {
    const composer = new MessageComposer()
    composer.enter('"""')
    composer.paste('"""', true)
    expect(composer.enter('"""')).toEqual({ text: '"""', asIs: true })
  })
})

test('what has been begun can be dropped, or ended early', () => {
  const composer = new MessageComposer()
  composer.enter('"""')
  composer.enter('a')
  composer.clear()
  expect(composer.end()).toBeUndefined()
  expect(composer.enter('b\\')).toBeUndefined()
  expect(composer.end()).toEqual({ text: 'b', asIs: false })
})
