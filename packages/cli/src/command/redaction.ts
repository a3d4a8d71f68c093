import { foreignText } from './failure.js'

/** Replaces secrets in a text. */
export type Redactor = (text: string) => string

const connectionString = /\bpostgres(?:ql)?:\/\/\S+/gi
const credentialsInUrl = /\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@]+@/gi
const shortestSecret = 4

/**
 * A redactor for connection strings, credentials in any URL, and the given secrets wherever they stand. Secrets of
 * fewer than four characters are left alone: replacing them would only make the text unreadable.
 */
export function createRedactor(secrets: readonly (string | undefined)[] = []): Redactor {
  const known = secrets
    .filter((secret): secret is string => secret !== undefined && secret.length >= shortestSecret)
    .sort((a, b) => b.length - a.length)
  return (text) => {
    const withoutKnown = known.reduce((rest, secret) => rest.replaceAll(secret, '[redacted]'), text)
    return withoutKnown.replace(connectionString, '[connection string]').replace(credentialsInUrl, '$1[redacted]@')
  }
}

/** The connection string and the password in it, as it stands there and decoded; an unencoded @ may be part of it. */
export function secretsOf(url: string | undefined): string[] {
  if (url === undefined) return []
  const passwords = [/:\/\/[^:@/]*:([^@/]*)@/, /:\/\/[^:@/]*:([^?]*)@/].map((pattern) => pattern.exec(url)?.[1] ?? '')
  return [url, ...passwords.flatMap((password) => [password, decoded(password)])]
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // A lone % is no encoding: the text is what it says.
    return text
  }
}

/** Fields that hold what must never be logged, by whatever name a library gives them. */
const forbiddenFields =
  /^(payload|data|value|values|key|rawKey|headers|rawHeaders|parameters|detail|where|input|password|sasl|connectionString|databaseUrl)$/i
const deepest = 4

/** A log field as it may be written: texts redacted, errors cut to code and text, forbidden fields replaced. */
export function cleanField(value: unknown, redact: Redactor, depth = 0): unknown {
  if (typeof value === 'string') return redact(value)
  if (typeof value === 'bigint') return value.toString()
  if (value === null || typeof value !== 'object') return value
  if (value instanceof Error) return cleanError(value, redact)
  if (value instanceof Date) return value.toISOString()
  if (depth >= deepest || ArrayBuffer.isView(value)) return '[cut]'
  if (Array.isArray(value)) return value.map((item) => cleanField(item, redact, depth + 1))
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [
      name,
      forbiddenFields.test(name) ? '[redacted]' : cleanField(field, redact, depth + 1),
    ]),
  )
}

function cleanError(error: Error, redact: Redactor): object {
  const code = (error as { code?: unknown }).code
  return {
    name: error.name,
    ...(typeof code === 'string' ? { code } : {}),
    message: redact(foreignText(error)),
    ...(error.cause instanceof Error ? { cause: cleanError(error.cause, redact) } : {}),
  }
}
