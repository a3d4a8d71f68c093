const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })

/** 1,234 as it is, 1,234,567 as 1.2M. */
export function count(value: number): string {
  return Math.abs(value) < 100_000 ? whole.format(value) : short.format(value)
}

export function rate(perSecond: number): string {
  return `${perSecond > 0 && perSecond < 10 ? perSecond.toFixed(1) : count(perSecond)}/s`
}

/** < 0.1 s, 0.4 s, 12 s, 3 min, 5 h, 2 d. */
export function duration(seconds: number): string {
  if (seconds < 0.1) return '< 0.1 s'
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  if (seconds < 120) return `${Math.round(seconds)} s`
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`
  return `${Math.round(seconds / 86_400)} d`
}

export function milliseconds(ms: number): string {
  return ms < 1_000 ? `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms` : duration(ms / 1_000)
}

export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let unit = 0
  let rest = value
  while (rest >= 1_000 && unit < units.length - 1) {
    rest /= 1_000
    unit += 1
  }
  return `${unit === 0 ? rest : rest.toFixed(1)} ${units[unit]}`
}

/** An RFC 3339 time as the reader's clock shows it, to the second; with the date when it is not today. */
export function moment(time: string, now = new Date()): string {
  const at = new Date(time)
  const clock = at.toLocaleTimeString('en-GB')
  return at.toDateString() === now.toDateString() ? clock : `${at.toLocaleDateString('en-CA')} ${clock}`
}

export function ago(time: string, nowMs = Date.now()): string {
  return since((nowMs - new Date(time).getTime()) / 1_000)
}

/** Of a span up to now. */
export function since(seconds: number): string {
  if (seconds < 1) return 'just now'
  return `${seconds < 10 ? `${Math.floor(seconds)} s` : duration(seconds)} ago`
}

export function plural(number: number, noun: string): string {
  return `${count(number)} ${noun}${number === 1 ? '' : 's'}`
}

/** Base64 as text when it is UTF-8 text, else as hex. */
export function textOfBase64(base64: string): string {
  const raw = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(raw)
  } catch {
    return [...raw].map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
  }
}

/** JSON laid out to be read; anything else as it is. */
export function laidOut(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}
