import { readFileSync } from 'node:fs'
import { OnceboxError } from '@oncebox/core'
import { saslMechanisms, type TransportFlags } from '../flags/transportFlags.js'
import { UsageError } from './failure.js'

/** Where messages go, with everything that is needed to get there. */
export type TransportChoice =
  | {
      /** `kafka` is @oncebox/kafka, `kafkajs` the adapter of that client. */
      readonly name: 'kafka' | 'kafkajs'
      readonly brokers: readonly string[]
      readonly tls: TlsChoice | null
      readonly sasl: SaslChoice | null
    }
  | { readonly name: 'pg-boss'; readonly topics: Readonly<Record<string, readonly string[]>> }

/** PEM texts; all absent: TLS with the authorities that the system trusts. */
export interface TlsChoice {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

export interface SaslChoice {
  readonly mechanism: (typeof saslMechanisms)[number]
  readonly username: string
  readonly password: string
  /** Over a connection that is not encrypted, too. */
  readonly inTheClear: boolean
}

/**
 * Decides for a transport. `password` is the SASL password, from the environment.
 *
 * @throws UsageError when none is named, or the flags do not go together, or a file cannot be read.
 * @throws OnceboxError `INVALID_SETTING` for a password that would be sent in the clear.
 */
export function chooseTransport(flags: TransportFlags, password: string | undefined): TransportChoice {
  const name = flags.transport ?? (flags.brokers === undefined ? undefined : 'kafka')
  switch (name) {
    case undefined:
      throw new UsageError(
        'no transport is given',
        'Give --brokers or set KAFKA_BROKERS, or use --transport pg-boss --topic NAME=GROUP.',
      )
    case 'kafka':
    case 'kafkajs':
      if (flags.brokers === undefined) {
        throw new UsageError(`${name} needs brokers`, 'Give --brokers or set KAFKA_BROKERS.')
      }
      if (flags.topic !== undefined) throw new UsageError('--topic only goes with --transport pg-boss')
      return { name, brokers: flags.brokers, tls: chooseTls(flags), sasl: chooseSasl(flags, password) }
    case 'pg-boss':
      if (flags.topic === undefined) {
        throw new UsageError('pg-boss needs the groups of each topic', 'Give --topic orders=billing,audit; repeat it.')
      }
      return { name, topics: flags.topic }
  }
}

function chooseTls({ tls, tlsCa, tlsCert, tlsKey }: TransportFlags): TlsChoice | null {
  if (tls !== true && tlsCa === undefined && tlsCert === undefined && tlsKey === undefined) return null
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    throw new UsageError('a client certificate and its key belong together', 'Give both --tls-cert and --tls-key.')
  }
  return {
    ...(tlsCa === undefined ? {} : { ca: readPem('--tls-ca', tlsCa) }),
    ...(tlsCert === undefined ? {} : { cert: readPem('--tls-cert', tlsCert) }),
    ...(tlsKey === undefined ? {} : { key: readPem('--tls-key', tlsKey) }),
  }
}

function readPem(flag: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new UsageError(`the file of ${flag} cannot be read (${(error as NodeJS.ErrnoException).code})`)
  }
}

function chooseSasl(flags: TransportFlags, password: string | undefined): SaslChoice | null {
  const { saslMechanism: mechanism, saslUsername: username } = flags
  if (mechanism === undefined && username === undefined) return null
  if (mechanism === undefined) {
    throw new UsageError('a SASL user without a mechanism', `Give --sasl-mechanism: ${saslMechanisms.join(', ')}.`)
  }
  if (username === undefined || password === undefined) {
    throw new UsageError('SASL needs a user and a password', 'Give --sasl-username and set KAFKA_SASL_PASSWORD.')
  }
  const inTheClear = flags.allowPlaintextSasl === true
  if (mechanism === 'plain' && !inTheClear && chooseTls(flags) === null) {
    throw new OnceboxError('INVALID_SETTING', 'SASL plain without TLS would send the password in the clear', {
      next: 'Give --tls or --tls-ca, use scram-sha-512, or --allow-plaintext-sasl where the network is trusted.',
    })
  }
  return { mechanism, username, password, inTheClear }
}
