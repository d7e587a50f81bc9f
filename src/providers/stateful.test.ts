import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formats } from './formats.ts'
import { refuseStateful } from './stateful.ts'
import type { FormatName } from './wire-format.ts'

const schema = {
  type: 'object',
  properties: {
    file_id: { type: 'string', description: 'any', default: 'file_1' },
    container: { type: 'string', const: 'x' },
    type: { enum: ['item_reference'] },
    fileUri: { type: 'string' },
    vector_store_ids: { type: 'array', items: {} },
  },
  required: ['file_id'],
}

const refused: Readonly<Record<FormatName, Readonly<Record<string, object>>>> = {
  openai: {
    'a stored response': { previous_response_id: 'resp_1' },
    'a conversation': { conversation: 'conv_1' },
    'a conversation as an object': { conversation: { id: 'conv_1' } },
    'a stored prompt': { prompt: { id: 'pmpt_1' } },
    'background work': { background: true },
    'an input file': { input: [{ role: 'user', content: [{ type: 'input_file', file_id: 'file_1' }] }] },
    'an input image': { input: [{ role: 'user', content: [{ type: 'input_image', file_id: 'file_1' }] }] },
    'a file of a chat': { messages: [{ role: 'user', content: [{ type: 'file', file: { file_id: 'file_1' } }] }] },
    'an item of a stored response': { input: [{ type: 'item_reference', id: 'msg_1' }] },
    'an item of a stored response, whose type may be left out': { input: [{ id: 'msg_1' }] },
    'an item of a stored response, whose type may be null': { input: [{ id: 'msg_1', type: null }] },
    'a vector store': { tools: [{ type: 'file_search', vector_store_ids: ['vs_1'] }] },
    'a container': { tools: [{ type: 'code_interpreter', container: 'cntr_1' }] },
    'a container by reference': {
      tools: [{ type: 'shell', environment: { type: 'container_reference', container_id: 'cntr_1' } }],
    },
    'files for a new container': {
      tools: [{ type: 'code_interpreter', container: { type: 'auto', file_ids: ['f_1'] } }],
    },
    'a file in the result of a tool': {
      input: [{ type: 'function_call_output', call_id: 'c', output: [{ type: 'input_file', file_id: 'file_1' }] }],
    },
    'a file beside a schema': { tools: [{ type: 'function', parameters: schema, file_id: 'file_1' }] },
  },
  anthropic: {
    'a file': {
      messages: [{ role: 'user', content: [{ type: 'document', source: { type: 'file', file_id: 'f_1' } }] }],
    },
    'an upload to a container': {
      messages: [{ role: 'user', content: [{ type: 'container_upload', file_id: 'f_1' }] }],
    },
    'a container': { container: 'container_1' },
    'a container with skills': { container: { skills: [{ type: 'custom', skill_id: 'skill_1' }] } },
    'a file in the result of a tool': {
      messages: [
        { role: 'user', content: [{ type: 'tool_result', content: [{ source: { type: 'file', file_id: 'f_1' } }] }] },
      ],
    },
  },
  gemini: {
    'a file': {
      contents: [{ parts: [{ fileData: { fileUri: 'https://generativelanguage.googleapis.com/v1beta/files/1' } }] }],
    },
    'a file in the other spelling': { contents: [{ parts: [{ file_data: { file_uri: 'files/1' } }] }] },
    'an object of a bucket': { contents: [{ parts: [{ fileData: { fileUri: 'gs://bucket/object' } }] }] },
    'a file by its address': {
      contents: [{ parts: [{ fileData: { fileUri: 'https://generativelanguage.googleapis.com/v1beta/files/1' } }] }],
    },
    'a file by its address with a dot at the host’s end': {
      contents: [{ parts: [{ fileData: { fileUri: 'https://GENERATIVELANGUAGE.googleapis.com./v1beta/files/1' } }] }],
    },
    'an object of a bucket by its address': {
      contents: [{ parts: [{ fileData: { fileUri: 'https://storage.googleapis.com/bucket/object' } }] }],
    },
    'a file by an address without TLS': {
      contents: [{ parts: [{ fileData: { fileUri: 'http://example.com/x' } }] }],
    },
    'a cached content': { cachedContent: 'cachedContents/1' },
    'a cached content in the other spelling': { cached_content: 'cachedContents/1' },
    'a file in the system’s instruction': { systemInstruction: { parts: [{ fileData: { fileUri: 'files/1' } }] } },
    'a file in the parts of a function’s response': {
      contents: [{ parts: [{ functionResponse: { name: 'f', parts: [{ fileData: { fileUri: 'files/1' } }] } }] }],
    },
    'a file search store': { tools: [{ fileSearch: { fileSearchStoreNames: ['fileSearchStores/1'] } }] },
    'a file search store in the other spelling': {
      tools: [{ file_search: { file_search_store_names: ['fileSearchStores/1'] } }],
    },
  },
}

const passed: Readonly<Record<FormatName, Readonly<Record<string, object>>>> = {
  openai: {
    'a chat': { messages: [{ role: 'user', content: 'file_id container item_reference' }], store: true },
    'a chat’s schema of a tool': { tools: [{ type: 'function', function: { name: 'f', parameters: schema } }] },
    'a schema of a tool': { tools: [{ type: 'function', name: 'f', parameters: schema }] },
    'a schema of a chat’s answer': { response_format: { type: 'json_schema', json_schema: { name: 'a', schema } } },
    'a schema of an answer': { text: { format: { type: 'json_schema', name: 'a', schema } } },
    'arguments of a chat’s tool': {
      messages: [
        { role: 'assistant', tool_calls: [{ id: 'c', type: 'function', function: { arguments: '{"file_id":"x"}' } }] },
      ],
    },
    'arguments of a tool': { input: [{ type: 'function_call', call_id: 'c', arguments: '{"container":"x"}' }] },
    metadata: { metadata: { file_id: 'x', container: 'y', previous_response_id: 'z' } },
    'unset members': { previous_response_id: null, conversation: null, background: false, prompt: null },
    'a new container': { tools: [{ type: 'code_interpreter', container: { type: 'auto' } }] },
    'a new container without files': {
      tools: [{ type: 'code_interpreter', container: { type: 'auto', file_ids: [] } }],
    },
    'items given whole': {
      input: [
        { role: 'user', content: 'hi' },
        { type: 'message', id: 'msg_1', role: 'assistant', content: [{ type: 'output_text', text: 'x' }] },
        { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'x' },
        { id: 'msg_2', role: 'assistant', content: [{ type: 'output_text', text: 'x' }] },
      ],
    },
    'a file by value': { input: [{ role: 'user', content: [{ type: 'input_file', file_data: 'data:,x' }] }] },
    'a conversation below the top': { input: [{ role: 'user', content: [], conversation: 'x' }] },
  },
  anthropic: {
    'a message': { messages: [{ role: 'user', content: 'file_id' }] },
    'a schema of a tool': { tools: [{ name: 'f', input_schema: schema }] },
    'examples of a tool’s input': { tools: [{ name: 'f', input_schema: schema, input_examples: [{ file_id: 'x' }] }] },
    'a schema of the answer': { output_format: { type: 'json_schema', schema } },
    'a schema of the answer, newer': { output_config: { format: { type: 'json_schema', schema } } },
    'input of a tool': {
      messages: [{ role: 'assistant', content: [{ type: 'tool_use', input: { file_id: 'x', container: 'y' } }] }],
    },
    metadata: { metadata: { user_id: 'file_id' } },
    'no container': { container: null },
    'a document by value': {
      messages: [{ role: 'user', content: [{ type: 'document', source: { type: 'base64', data: 'x' } }] }],
    },
  },
  gemini: {
    contents: { contents: [{ parts: [{ text: 'fileUri' }] }] },
    'a schema of a tool': { tools: [{ functionDeclarations: [{ name: 'f', parameters: schema, response: schema }] }] },
    'a schema of a tool, newer': { tools: [{ function_declarations: [{ name: 'f', parametersJsonSchema: schema }] }] },
    'a schema of the answer': { generationConfig: { responseSchema: schema } },
    'a schema of the answer, newer': { generationConfig: { responseJsonSchema: schema } },
    'arguments of a tool': {
      contents: [{ parts: [{ functionCall: { name: 'f', args: { fileUri: 'x', container: 'y' } } }] }],
    },
    'the result of a tool': {
      contents: [{ parts: [{ functionResponse: { name: 'f', response: { fileUri: 'x' } } }] }],
    },
    'a public video': { contents: [{ parts: [{ fileData: { fileUri: 'https://www.youtube.com/watch?v=1' } }] }] },
    'a public video by its short name': { contents: [{ parts: [{ fileData: { fileUri: 'https://youtu.be/1' } }] }] },
    'a file by value': { contents: [{ parts: [{ inlineData: { mimeType: 'text/plain', data: 'x' } }] }] },
  },
}

for (const name of Object.keys(formats) as FormatName[]) {
  for (const [what, body] of Object.entries(refused[name])) {
    test(`${name}: refuses ${what}`, () => {
      assert.throws(() => refuseStateful(formats[name], body), { name: 'Problem', code: 'route.stateful_operation' })
    })
  }
  for (const [what, body] of Object.entries(passed[name])) {
    test(`${name}: lets ${what} pass`, () => assert.doesNotThrow(() => refuseStateful(formats[name], body)))
  }
}
