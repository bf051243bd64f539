import type { Value } from '../jinja-runtime.js'

const names: Readonly<Record<string, string>> = {
  StringValue: 'a text',
  IntegerValue: 'a number',
  FloatValue: 'a number',
  BooleanValue: 'true or false',
  NullValue: 'none',
  UndefinedValue: 'something undefined',
  ArrayValue: 'a list',
  TupleValue: 'a tuple',
  ObjectValue: 'a mapping',
  NamespaceValue: 'a namespace',
  FunctionValue: 'a function',
}

/** What a value is, in words for messages. */
export function typeName(value: Value): string {
  return names[value.type] ?? value.type
}
