import t from 'tap'
import { isOptional, objectOf } from '../../../src/http/openapi/schemas.js'
import { fieldOf, fieldsOf } from '../../../src/pages/reference/fields.js'

t.test('nested fields are named by their path', (t) => {
  const schema = {
    required: ['user'],
    properties: {
      user: { type: 'object', required: ['id'], properties: { id: { type: 'string' } } },
      entries: {
        type: 'array',
        items: { type: 'object', properties: { at: { type: 'string', format: 'date-time' } } },
      },
    },
  }
  t.strictSame(fieldsOf(schema), [
    { name: 'user', type: 'object', isRequired: true, text: '' },
    { name: 'user.id', type: 'string', isRequired: true, text: '' },
    { name: 'entries', type: 'array of object', isRequired: false, text: '' },
    { name: 'entries[].at', type: 'date-time', isRequired: false, text: '' },
  ])
  t.end()
})

t.test('a field has a type and a text from its schema', (t) => {
  const table: [schema: Parameters<typeof fieldOf>[1], type: string, text: string][] = [
    [{}, 'any', ''],
    [{ type: ['string', 'null'], description: 'a name' }, 'string or null', 'a name'],
    [{ anyOf: [{ type: 'string' }, { type: 'null' }] }, 'string or null', ''],
    [{ type: 'string', enum: ['a', 'b'] }, '"a" or "b"', ''],
    [
      { type: 'array', items: { type: 'string' }, maxItems: 8 },
      'array of string',
      'at most 8 items',
    ],
    [{ type: 'string', format: 'binary' }, 'file', ''],
    [{ type: 'string', minLength: 1, maxLength: 9 }, 'string', '1 to 9 characters'],
    [{ type: 'string', maxLength: 9, description: 'x' }, 'string', 'x; at most 9 characters'],
    [{ type: 'boolean', default: false }, 'boolean', 'default: false'],
  ]
  for (const [schema, type, text] of table) {
    t.match(fieldOf('it', schema, true), { name: 'it', isRequired: true, type, text })
  }
  t.end()
})

t.test('a body that may be null is optional, and shows the fields of its object', (t) => {
  const object = { type: 'object', properties: { everywhere: { type: 'boolean' } } }
  const schema = { anyOf: [object, { type: 'null' }] }
  t.equal(isOptional(schema), true)
  t.equal(isOptional(object), false)
  t.strictSame(objectOf(schema), object)
  t.equal(objectOf({ type: 'string' }), undefined)
  t.end()
})
