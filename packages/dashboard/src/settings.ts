import { checkSettings, kinds, type Logger, OnceboxError, type SettingKinds, silentLogger } from '@oncebox/core'
import { defaultSchema, quoteSchema } from '@oncebox/schema'
import type { Inspector } from '@oncebox/transport'
import type { Annotation } from './picture.js'
import type { SessionPool } from './sessions.js'
import type { Access } from './visitor.js'

export interface DashboardOptions {
  /** A pg `Pool` of the database with the outbox, made and closed by the caller. Two connections are enough. */
  readonly pool: SessionPool
  /**
   * Who asks, and what they may do; null turns them away. Called for each request, before anything is read. There is no
   * default: a dashboard that everybody may open says so with `access: () => ({ name: 'anybody' })`.
   */
  readonly access: Access
  /**
   * Databases of services that consume and keep their inbox elsewhere, by the name that the page shows. Pools of the
   * caller, of the same schema name. Default: none.
   */
  readonly consumers?: Readonly<Record<string, SessionPool>>
  /** Default `oncebox`. */
  readonly schema?: string
  /** Where the page is mounted, when the handler sees whole paths: `/admin/oncebox`. Default: at the root. */
  readonly basePath?: string
  /**
   * Asks the brokers, for lag and the doctor. The caller closes it. Default: null, and what concerns them is left out.
   */
  readonly inspector?: Inspector | null
  /** Whether anybody may act at all: retry, discard, pause, resume, replay. Default false. */
  readonly actions?: boolean
  /** How long the relay keeps published messages, in milliseconds. Default 3 days. */
  readonly retentionMs?: number
  /** Pause between two looks at the flow while somebody watches, in milliseconds. Default 1,000; at least 200. */
  readonly refreshMs?: number
  /**
   * What happened around the flow, the newest last: a deployment, a failover. Asked for with each picture; the last 50 are drawn
   * over the rates and listed below. Everybody who may look sees them. Default: nothing.
   */
  readonly annotations?: () => readonly Annotation[]
  /** Default: silent. */
  readonly logger?: Logger
}

/** The options with every default filled in. */
export type DashboardSettings = Required<Omit<DashboardOptions, 'retentionMs'>> & { readonly retentionMs?: number }

const sessions = kinds.withMethods('a pg pool', 'connect', 'on')
const inspector = kinds.withMethods('an inspector of the brokers', 'topics', 'offsets', 'offsetsAt', 'close')

const settingKinds: SettingKinds<DashboardOptions> = {
  pool: sessions,
  access: { ...kinds.callable, is: 'a function that says who may see the dashboard' },
  consumers: kinds.recordOf(sessions),
  schema: kinds.text,
  basePath: kinds.text,
  inspector: { is: `${inspector.is}, or null`, fits: (value) => value === null || inspector.fits(value) },
  actions: kinds.flag,
  retentionMs: kinds.spanMs(0),
  refreshMs: kinds.milliseconds(200),
  annotations: kinds.callable,
  logger: kinds.logger,
}

/** @throws OnceboxError `INVALID_SETTING` */
export function dashboardSettings(options: DashboardOptions): DashboardSettings {
  checkSettings('createDashboard', options, settingKinds, ['pool', 'access'])
  const { schema = defaultSchema, refreshMs = 1_000, basePath = '' } = options
  quoteSchema(schema)
  if (!/^(\/[\w.~-]+)*$/.test(basePath)) throw invalid('basePath is not like /admin/oncebox')
  return {
    pool: options.pool,
    access: options.access,
    consumers: options.consumers ?? {},
    schema,
    basePath,
    inspector: options.inspector ?? null,
    actions: options.actions ?? false,
    refreshMs,
    annotations: options.annotations ?? (() => []),
    logger: options.logger ?? silentLogger,
    ...(options.retentionMs === undefined ? {} : { retentionMs: options.retentionMs }),
  }
}

function invalid(what: string): OnceboxError {
  return new OnceboxError('INVALID_SETTING', what)
}
