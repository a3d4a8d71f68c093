import type { Logger } from '@oncebox/core'
import { pino } from 'pino'
import { cleanField, type Redactor } from './redaction.js'

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

export interface DiagnosticsOptions {
  readonly level: LogLevel
  readonly redact: Redactor
  /** Whether stderr is a terminal: readable lines there, JSON lines everywhere else. */
  readonly terminal: boolean
}

/**
 * A logger on stderr. Every field and message passes the redactor on the way, whatever part logs it. Lines are
 * written synchronously, so that the last one before an exit is not lost.
 */
export async function openDiagnostics(options: DiagnosticsOptions): Promise<Logger> {
  const settings = {
    level: options.level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  const lines = pino(settings, options.terminal ? await prettyStderr() : pino.destination({ dest: 2, sync: true }))
  const write = (level: 'debug' | 'info' | 'warn' | 'error') => (fields: object, message: string) => {
    if (lines.isLevelEnabled(level)) lines[level](cleanField(fields, options.redact), options.redact(message))
  }
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
}

async function prettyStderr() {
  const { PinoPretty } = await import('pino-pretty')
  const colorize = process.env.NO_COLOR === undefined
  return PinoPretty({ destination: 2, sync: true, colorize, translateTime: 'SYS:HH:MM:ss.l' })
}
