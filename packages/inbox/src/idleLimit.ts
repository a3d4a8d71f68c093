/**
 * An expression that limits, until the transaction ends, how long its session may sit idle in it: `$n` is milliseconds as
 * text, or null for no limit. A host that is cut off without a goodbye leaves its session waiting, with the ids that it
 * holds, for as long as the server's TCP keepalive lets it, by default two hours. A limit that the server or the role has
 * already stays.
 */
export function idleLimit(parameter: string): string {
  return `CASE WHEN ${parameter}::text IS NOT NULL AND current_setting('idle_in_transaction_session_timeout') = '0'
    THEN set_config('idle_in_transaction_session_timeout', ${parameter}::text, true) END`
}
