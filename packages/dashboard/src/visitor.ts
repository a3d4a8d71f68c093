import { createHash, timingSafeEqual } from 'node:crypto'
import { OnceboxError } from '@oncebox/core'

/** Somebody who may see the dashboard. */
export interface Visitor {
  /** Kept with every decision that is made: who it was. */
  readonly name: string
  /** May retry, discard, pause, resume and replay, where the dashboard allows actions. Default false. */
  readonly mayAct?: boolean
  /** May see payloads and headers. Default false. */
  readonly maySeePayloads?: boolean
}

/** Says who asks; null: nobody who may. */
export type Access = (request: Request) => Visitor | null | Promise<Visitor | null>

/** What those may do who are let in. */
export type Rights = Omit<Visitor, 'name'>

/**
 * Lets in whoever asks this machine by its own name: for a server that listens on loopback only. Another name means that
 * a page of another site had its own name answered with this address (DNS rebinding).
 */
export function loopbackAccess(name: string, rights: Rights): Access {
  return (request) => (isLoopback(new URL(request.url).hostname) ? { name, ...rights } : null)
}

/** `127.0.0.1`, `::1`, `localhost` and names below it. */
export function isLoopback(host: string): boolean {
  return /^(localhost|.+\.localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/.test(host)
}

/**
 * Lets in whoever has the token: HTTP Basic, with it for the password; the user name is who they say they are. Browsers
 * ask for it by themselves.
 *
 * @throws OnceboxError `INVALID_SETTING` for a token of less than 16 characters.
 */
export function tokenAccess(token: string, rights: Rights): Access {
  if (token.length < 16) {
    throw new OnceboxError('INVALID_SETTING', 'The token of the dashboard is shorter than 16 characters', {
      next: 'Make one with: openssl rand -hex 24',
    })
  }
  const wanted = digest(token)
  return (request) => {
    const [, credentials] = /^Basic ([A-Za-z0-9+/=]+)$/.exec(request.headers.get('authorization') ?? '') ?? []
    if (credentials === undefined) return null
    const [name = '', ...password] = Buffer.from(credentials, 'base64').toString('utf8').split(':')
    if (!timingSafeEqual(digest(password.join(':')), wanted)) return null
    return { name: name === '' ? 'somebody with the token' : name, ...rights }
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
