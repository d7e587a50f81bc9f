import { test } from 'node:test'
import { GoogleGenAI } from '@google/genai'
import Anthropic from '@anthropic-ai/sdk'
import { startGateway } from '../support/gateway.ts'
import { startProvider } from '../support/provider.ts'
test('x', async () => {
  await using p = await startProvider((_r, res) => { res.writeHead(200,{'content-type':'application/json'}); res.end('{}') })
  const g = new GoogleGenAI({apiKey:'k', httpOptions:{baseUrl:p.url}})
  await g.models.generateContent({model:'gem',contents:'hi'})
  await g.models.embedContent({model:'gem',contents:'hi'})
  try { await g.models.list() } catch (e) {console.log(e)}
  try { await g.models.get({model:'gem'}) } catch (e) {console.log(e)}
  try { await g.models.countTokens({model:'gem', contents: 'hi'}) } catch (e) {console.log(e)}
  const a = new Anthropic({apiKey:'k', baseURL:p.url, maxRetries: 0})
  await a.models.list()
  await a.models.retrieve('claude')
  await a.messages.countTokens({model:'x',messages:[]})
  for (const r of p.requests) console.log(r.method, r.path, r.body.toString(), JSON.stringify(r.rawHeaders))
})
