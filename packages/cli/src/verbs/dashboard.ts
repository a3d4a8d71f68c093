import { Closers } from '../command/closers.js'
import type { OpenDatabase } from '../command/database.js'
import { openDatabase, runsOn } from '../command/database.js'
import { type ExitCode, exitCode } from '../command/exitCode.js'
import { UsageError } from '../command/failure.js'
import { openInspector } from '../command/inspector.js'
import { installed } from '../command/installed.js'
import type { Console } from '../command/runVerb.js'
import { serveDashboard } from '../command/serveDashboard.js'
import type { CommonFlags } from '../flags/commonFlags.js'
import type { ConsumerFlags } from '../flags/consumerFlags.js'
import type { DatabaseFlags } from '../flags/databaseFlags.js'
import type { TransportFlags } from '../flags/transportFlags.js'

export interface DashboardFlags extends CommonFlags, DatabaseFlags, ConsumerFlags, TransportFlags {
  readonly host: string
  /** 0: any that is free. */
  readonly port: number
  readonly actions?: boolean
  readonly payloads?: boolean
}

/** `oncebox dashboard`: serves the page until it is stopped. */
export async function dashboard(flags: DashboardFlags, console: Console): Promise<ExitCode> {
  const access = await accessFor(flags)
  const stop = console.stopRequested()
  await using cleanup = new Closers()
  const database = await openDatabase(flags, 'dashboard', runsOn)
  cleanup.defer(() => database.end())
  const consumers: Record<string, OpenDatabase['pool']> = {}
  for (const databaseUrl of flags.consumerUrl ?? []) {
    const consumer = await openDatabase({ schema: flags.schema, databaseUrl }, 'dashboard', runsOn)
    cleanup.defer(() => consumer.end())
    consumers[`${consumer.address}${new URL(databaseUrl).pathname}`] = consumer.pool
  }
  const inspector = await openInspector(flags, console.logger)
  cleanup.defer(() => inspector?.close())
  const { schema, actions = false } = flags
  const { pool } = database
  const served = await serveDashboard(
    { pool, consumers, schema, access, actions, inspector, logger: console.logger },
    flags,
  )
  cleanup.defer(() => served.close())
  console.output.write({ event: 'ready', url: served.url }, () => `The dashboard is at ${served.url} (Ctrl-C ends it).`)
  await new Promise<void>((resolve) => {
    if (stop.aborted) resolve()
    else stop.addEventListener('abort', () => resolve(), { once: true })
  })
  return exitCode.fine
}

/** This machine alone, or whoever has the token. */
async function accessFor({ host, actions, payloads }: DashboardFlags) {
  const { isLoopback, loopbackAccess, tokenAccess } = await installed(() => import('@oncebox/dashboard'))
  const rights = { mayAct: actions === true, maySeePayloads: payloads === true }
  const token = process.env.ONCEBOX_DASHBOARD_TOKEN
  if (token !== undefined) return tokenAccess(token, rights)
  if (!isLoopback(host)) {
    throw new UsageError(
      `--host ${host} lets others in, and there is no token`,
      'Set ONCEBOX_DASHBOARD_TOKEN (make one with: openssl rand -hex 24), or stay on 127.0.0.1.',
    )
  }
  return loopbackAccess(process.env.USER ?? 'whoever sits here', rights)
}
