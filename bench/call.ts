import { chatBody } from './bodies.ts'

/** One small chat completion; undefined = nobody listens yet. */
export async function call(
  url: string,
  headers: Readonly<Record<string, string>>,
): Promise<{ status: number; text: string } | undefined> {
  try {
    const body = chatBody(0.3)
    const response = await fetch(url, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body,
    })
    return { status: response.status, text: await response.text() }
  } catch {
    return undefined
  }
}
