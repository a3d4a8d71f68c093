import { Hono } from 'hono'
import { actionRoutes } from './actionRoutes.js'
import { databaseNamed, openDatabases } from './databases.js'
import { failureOf, logFailure } from './failures.js'
import { createLagFeed } from './lagFeed.js'
import { liveRoute } from './liveRoute.js'
import { readOverview } from './overview.js'
import { answerWith, loadPage } from './page.js'
import { readRoutes } from './readRoutes.js'
import { createReplays } from './replays.js'
import { type Env, notAllowed, notFound, type Room } from './room.js'
import { safetyHeaders } from './safety.js'
import { type DashboardOptions, type DashboardSettings, dashboardSettings } from './settings.js'
import { createWatch } from './watch.js'

/** The page and what it asks for, as one handler of requests. */
export interface Dashboard {
  /** Answers a request, the page's or its own: mounts wherever fetch-style handlers do. Never rejects. */
  fetch(request: Request): Promise<Response>
}

/**
 * The page over `@oncebox/ops`, as one handler. Opens nothing before the first request, reads in short transactions of
 * its own, and writes only what a visitor who may act asks for.
 *
 * @throws OnceboxError `INVALID_SETTING`
 */
export function createDashboard(options: DashboardOptions): Dashboard {
  const settings = dashboardSettings(options)
  const page = loadPage()
  const api = apiOf(openRoom(settings))
  const app = new Hono<Env>()

  app.use(async (context, next) => {
    await next()
    for (const [name, value] of Object.entries(safetyHeaders)) context.res.headers.set(name, value)
  })
  app.onError((error, context) => {
    const failure = failureOf(error)
    logFailure(settings.logger, failure, error)
    return context.json(failure, failure.status)
  })
  app.use(async (context, next) => {
    const visitor = await settings.access(context.req.raw)
    if (visitor === null) return askForCredentials(notAllowed(context, 'look'))
    const { name, mayAct = false, maySeePayloads = false } = visitor
    context.set('visitor', { name, mayAct: mayAct && settings.actions, maySeePayloads })
    return next()
  })
  app.route('/api', api)
  app.get('*', (context) => {
    const asset = page.get(context.req.path)
    return asset === undefined ? notFound(context, 'There is no such page') : answerWith(asset)
  })

  return {
    async fetch(request) {
      const placed = below(request, settings.basePath)
      return placed instanceof Response ? placed : app.fetch(placed)
    },
  }
}

/** A browser that is told so asks its user, and sends the credentials from then on. */
function askForCredentials(refusal: Response): Response {
  const headers = new Headers(refusal.headers)
  headers.set('www-authenticate', 'Basic realm="oncebox", charset="UTF-8"')
  return new Response(refusal.body, { status: 401, headers })
}

const mostAnnotations = 50

function openRoom(settings: DashboardSettings): Room {
  const { schema, inspector, refreshMs, retentionMs, annotations } = settings
  const databases = openDatabases(settings)
  const { sessions } = databaseNamed(databases)
  const retention = retentionMs === undefined ? {} : { retentionMs }
  const lag = createLagFeed(databases, schema, inspector)
  const watch = createWatch({
    everyMs: refreshMs,
    look: (before) =>
      readOverview(databases, {
        schema,
        lag: lag(),
        annotations: annotations().slice(-mostAnnotations),
        before,
        ...retention,
      }),
  })
  return { settings, sessions, databases, watch, replays: createReplays() }
}

function apiOf(room: Room): Hono<Env> {
  const api = new Hono<Env>()
  api.use(async (context, next) => {
    await next()
    context.res.headers.set('cache-control', 'no-store')
  })
  for (const routes of [readRoutes(room), liveRoute(room)]) api.route('/', routes)
  api.route('/actions', actionRoutes(room))
  api.all('*', (context) => notFound(context, 'There is no such address'))
  return api
}

/** The request without the base path; the page is addressed relative to where it is mounted, which ends in a slash. */
function below(request: Request, basePath: string): Request | Response {
  if (basePath === '') return request
  const url = new URL(request.url)
  if (url.pathname === basePath) {
    return new Response(null, { status: 308, headers: { location: `${basePath}/${url.search}`, ...safetyHeaders } })
  }
  if (!url.pathname.startsWith(`${basePath}/`)) return request
  url.pathname = url.pathname.slice(basePath.length)
  return new Request(url, request)
}
