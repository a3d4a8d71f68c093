import { createHmac } from 'node:crypto'

export const signatureHeader = 'oncebox-signature'

/**
 * The value of the header: HMAC-SHA256 over the time, a full stop and the raw body, so that neither can be changed and an
 * old request cannot be sent again for long. `seconds`: since the Unix epoch.
 */
export function signatureOf(secret: string, seconds: number, body: string): string {
  const digest = createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')
  return `t=${seconds},v1=${digest}`
}
