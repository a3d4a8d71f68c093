import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { openDatabase } from '../command/database.js'
import { type ExitCode, exitCode } from '../command/exitCode.js'
import { UsageError } from '../command/failure.js'
import { openInspector } from '../command/inspector.js'
import { installed } from '../command/installed.js'
import type { Console } from '../command/runVerb.js'
import type { CommonFlags } from '../flags/commonFlags.js'
import type { DatabaseFlags } from '../flags/databaseFlags.js'
import type { TransportFlags } from '../flags/transportFlags.js'

export interface DashboardFlags extends CommonFlags, DatabaseFlags, TransportFlags {
  readonly host: string
  /** 0: any that is free. */
  readonly port: number
  readonly actions?: boolean
  readonly payloads?: boolean
}

/** `oncebox dashboard`: serves the page until it is stopped. */
export async function dashboard(flags: DashboardFlags, console: Console): Promise<ExitCode> {
  const { createDashboard, isLoopback, loopbackAccess, nodeHandler, tokenAccess } = await installed(
    () => import('@oncebox/dashboard'),
  )
  const rights = { mayAct: flags.actions === true, maySeePayloads: flags.payloads === true }
  const token = process.env.ONCEBOX_DASHBOARD_TOKEN
  if (token === undefined && !isLoopback(flags.host)) {
    throw new UsageError(
      `--host ${flags.host} lets others in, and there is no token`,
      'Set ONCEBOX_DASHBOARD_TOKEN (make one with: openssl rand -hex 24), or stay on 127.0.0.1.',
    )
  }
  const access =
    token === undefined ? loopbackAccess(process.env.USER ?? 'whoever sits here', rights) : tokenAccess(token, rights)
  const stop = console.stopRequested()
  await using cleanup = new AsyncDisposableStack()
  const database = await openDatabase(flags, 'dashboard')
  cleanup.defer(() => database.end())
  const inspector = await openInspector(flags, console.logger)
  cleanup.defer(() => inspector?.close())
  const { pool } = database
  const { schema, actions = false } = flags
  const handler = nodeHandler(createDashboard({ pool, schema, access, actions, inspector, logger: console.logger }))
  const server = createServer(handler)
  cleanup.defer(() => close(server))
  const url = await listen(server, flags)
  console.output.write({ event: 'ready', url }, () => `The dashboard is at ${url} (Ctrl-C ends it).`)
  await new Promise<void>((resolve) => {
    if (stop.aborted) resolve()
    else stop.addEventListener('abort', () => resolve(), { once: true })
  })
  return exitCode.fine
}

async function listen(server: Server, { host, port }: DashboardFlags): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(new UsageError(`cannot listen on ${host}:${port} (${error.code})`, 'Choose another with --port.')),
    )
    server.listen(port, host, resolve)
  })
  const { port: taken } = server.address() as AddressInfo
  return `http://${host.includes(':') ? `[${host}]` : host}:${taken}/`
}

/** Pages that are open hold a connection each: they are cut. */
async function close(server: Server): Promise<void> {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
}
