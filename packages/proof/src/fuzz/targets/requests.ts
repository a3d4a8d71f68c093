import type { Dice } from '../../simulation/dice.js'
import { junkText, junkValue } from '../junk.js'

/** A request as it can be made: what `Request` itself refuses is not for the handler to judge. */
export interface JunkRequest {
  readonly method: string
  /** Path and query. */
  readonly address: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
}

/** Would be a script if it came back as markup. */
export const markup = '<script>fuzz-7f3a</script>'

const methods = ['GET', 'GET', 'GET', 'POST', 'POST', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'PURGE', 'get']
const oddSegments = [
  '..',
  '.',
  '',
  '%00',
  '%ff',
  '%zz',
  '%2e%2e%2f',
  '__proto__',
  'constructor',
  markup,
  encodeURIComponent(markup),
  '1',
  '-1',
  '999999999999999999',
  'a'.repeat(9_000),
]
const oddHeaders: Readonly<Record<string, readonly string[]>> = {
  'content-type': ['application/json', 'application/json; charset=utf-16', 'text/plain', 'multipart/form-data', ''],
  origin: ['null', 'http://127.0.0.1', 'https://elsewhere', markup],
  host: ['127.0.0.1', 'elsewhere', markup],
  'sec-fetch-site': ['same-origin', 'cross-site'],
  accept: ['text/event-stream', '*/*', markup],
  authorization: ['Basic Og==', 'Basic !!!', 'Bearer x', markup],
  'if-none-match': ['*', markup],
  range: ['bytes=0-1', 'bytes=9-1'],
  'x-http-method-override': ['DELETE'],
  'content-length': ['0', '-1', '99999999'],
}

/** A request to one of the paths, or to none. `fields` are names that bodies and queries have. */
export function junkRequest(dice: Dice, paths: readonly string[], fields: readonly string[]): JunkRequest {
  const method = dice.pick(methods)
  const path = dice.chance(0.85)
    ? dice.pick(paths).replaceAll(/:\w+/g, () => segment(dice))
    : `/${Array.from({ length: dice.below(4) }, () => segment(dice)).join('/')}`
  const query = Array.from({ length: dice.below(3) }, () => `${dice.pick([...fields, segment(dice)])}=${segment(dice)}`)
  const bodiless = method === 'GET' || method === 'HEAD' || method === 'get'
  return {
    method,
    address: query.length === 0 ? path : `${path}?${query.join('&')}`,
    headers: junkHeaders(dice),
    body: bodiless || dice.chance(0.1) ? null : junkBody(dice, fields),
  }
}

function segment(dice: Dice): string {
  return dice.chance(0.6) ? dice.pick(oddSegments) : encodeURIComponent(junkText(dice).toWellFormed())
}

function junkHeaders(dice: Dice): Record<string, string> {
  const names = Object.keys(oddHeaders)
  const chosen = Array.from({ length: dice.below(4) }, () => dice.pick(names))
  return Object.fromEntries(chosen.map((name) => [name, dice.pick(oddHeaders[name] as readonly string[])]))
}

function junkBody(dice: Dice, fields: readonly string[]): string {
  if (dice.chance(0.1)) return junkText(dice)
  const value = (): unknown => {
    if (dice.chance(0.3))
      return dice.pick([
        markup,
        '1',
        '0',
        1,
        -1,
        1e300,
        'orders',
        'billing',
        'made',
        999_999_999_999_999,
        5,
        ['1', '2'],
        [1],
        '\0',
      ])
    return dice.chance(0.4) ? junkText(dice) : junkValue(dice)
  }
  const entries = Array.from({ length: dice.below(5) }, () => [dice.pick(fields), value()])
  return asJson(dice.chance(0.9) ? Object.fromEntries(entries) : value())
}

function asJson(value: unknown): string {
  try {
    return JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? String(part) : part)) ?? ''
  } catch {
    // A cycle: half of a document.
    return '{"self":'
  }
}

export function asRequest({ method, address, headers, body }: JunkRequest): Request {
  return new Request(`http://127.0.0.1${address}`, { method, headers, body })
}
