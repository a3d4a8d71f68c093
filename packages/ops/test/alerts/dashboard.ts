import { type Metric, metrics } from '@oncebox/ops'

type MetricName = keyof typeof metrics

interface Query {
  readonly expr: string
  readonly legend: string
}

interface Panel {
  readonly title: string
  readonly kind: 'stat' | 'timeseries'
  readonly unit: string
  readonly queries: readonly Query[]
}

/** `{message}` counts things, and so on: units as Grafana names them. */
function unitOf({ unit }: Metric): string {
  return unit === 's' ? 's' : unit === 'By' ? 'bytes' : 'short'
}

const place = (name: MetricName) => {
  const labels: readonly string[] = metrics[name].labels
  return labels.includes('group') ? '{job=~"$job", group=~"$group"}' : '{job=~"$job"}'
}
const by = (name: MetricName) => `by (${metrics[name].labels.join(', ')})`
const legendOf = (name: MetricName) => metrics[name].labels.map((label) => `{{${label}}}`).join(' ') || name

/** Of a gauge the same value comes from every process that reads one database. */
const now = (name: MetricName): Query => {
  return { expr: `max ${by(name)} (${name}${place(name)})`, legend: legendOf(name) }
}

const perSecond = (name: MetricName): Query => {
  return { expr: `sum ${by(name)} (rate(${name}${place(name)}[$__rate_interval]))`, legend: legendOf(name) }
}

const inTheInterval = (name: MetricName): Query => {
  const what = name.replace(/^oncebox_(relay_|consumer_|ids_)?/, '').replace(/_total$/, '')
  const labels = metrics[name].labels.length === 0 ? '' : ` ${legendOf(name)}`
  return { expr: `sum ${by(name)} (increase(${name}${place(name)}[$__rate_interval]))`, legend: what + labels }
}

const quantile = (name: MetricName, share: number): Query => {
  const labels = ['le', ...metrics[name].labels].join(', ')
  const buckets = `sum by (${labels}) (rate(${name}_bucket${place(name)}[$__rate_interval]))`
  return { expr: `histogram_quantile(${share}, ${buckets})`, legend: `p${share * 100} ${legendOf(name)}` }
}

const stat = (title: string, name: MetricName): Panel => {
  return { title, kind: 'stat', unit: unitOf(metrics[name]), queries: [now(name)] }
}

const series = (title: string, unit: string, ...queries: Query[]): Panel => {
  return { title, kind: 'timeseries', unit, queries }
}

/** What stands on the dashboard, row by row; a test sees that it leaves no metric out. */
const rows: Readonly<Record<string, readonly Panel[]>> = {
  'How it stands': [
    stat('Waiting for a publish', 'oncebox_lane_waiting_messages'),
    stat('The oldest of them', 'oncebox_lane_oldest_waiting_seconds'),
    stat('Lanes with a relay', 'oncebox_lane_held'),
    stat('Aside at the relay', 'oncebox_lane_parked_messages'),
    stat('Aside at consumers', 'oncebox_group_parked_messages'),
    stat('Dead letters', 'oncebox_group_dead_letters'),
    stat('Failing', 'oncebox_group_failing_messages'),
    stat('Problems', 'oncebox_problems'),
    stat('Scheduled and overdue', 'oncebox_scheduled_overdue_seconds'),
    stat('Ids are local', 'oncebox_ids_degraded'),
    stat('Consumers that run', 'oncebox_consumer_running'),
    stat('Parts of the database that can be read', 'oncebox_database_readable'),
  ],
  Relay: [
    series('Published', 'mps', perSecond('oncebox_relay_published_messages_total')),
    series(
      'From commit to publish',
      's',
      quantile('oncebox_relay_publish_delay_seconds', 0.5),
      quantile('oncebox_relay_publish_delay_seconds', 0.99),
    ),
    series('Not acknowledged, sent again', 'mps', perSecond('oncebox_relay_unacknowledged_messages_total')),
    series(
      'Moved aside and released',
      'short',
      inTheInterval('oncebox_relay_parked_messages_total'),
      inTheInterval('oncebox_relay_released_messages_total'),
      inTheInterval('oncebox_relay_topics_missing_total'),
      inTheInterval('oncebox_relay_topics_created_total'),
    ),
    series(
      'Leases and interruptions',
      'short',
      now('oncebox_relay_holds_lease'),
      inTheInterval('oncebox_relay_lease_losses_total'),
      inTheInterval('oncebox_relay_interruptions_total'),
      inTheInterval('oncebox_relay_restored_databases_total'),
    ),
    series('Scheduled messages that came due', 'mps', perSecond('oncebox_relay_due_messages_total')),
  ],
  Consumers: [
    series('Not read yet', 'short', now('oncebox_group_unread_messages')),
    series('Settled', 'mps', perSecond('oncebox_consumer_messages_total')),
    series(
      'From publish to effect',
      's',
      quantile('oncebox_consumer_effect_delay_seconds', 0.5),
      quantile('oncebox_consumer_effect_delay_seconds', 0.99),
    ),
    series(
      'Transactions',
      's',
      quantile('oncebox_consumer_transaction_seconds', 0.5),
      quantile('oncebox_consumer_transaction_seconds', 0.99),
    ),
    series(
      'Failed attempts and what became of them',
      'short',
      inTheInterval('oncebox_consumer_failed_attempts_total'),
      inTheInterval('oncebox_consumer_dead_letters_total'),
      inTheInterval('oncebox_consumer_redriven_messages_total'),
      inTheInterval('oncebox_consumer_put_off_messages_total'),
    ),
    series(
      'What holds them up',
      'short',
      inTheInterval('oncebox_consumer_blocked_total'),
      inTheInterval('oncebox_consumer_conflicts_total'),
      inTheInterval('oncebox_consumer_pauses_total'),
      inTheInterval('oncebox_consumer_careful_starts_total'),
      inTheInterval('oncebox_consumer_went_back_total'),
    ),
    series(
      'Copies of dead letters',
      'short',
      inTheInterval('oncebox_consumer_copied_dead_letters_total'),
      inTheInterval('oncebox_consumer_uncopied_dead_letters_total'),
    ),
  ],
  'Storage and ids': [
    series('Size', 'bytes', now('oncebox_outbox_bytes'), now('oncebox_inbox_bytes')),
    series('Leaves that hold rows', 'short', now('oncebox_outbox_filled_leaves'), now('oncebox_inbox_filled_leaves')),
    series('Reclaim is overdue', 's', now('oncebox_outbox_reclaim_overdue_seconds')),
    series(
      'Reclaimed',
      'short',
      inTheInterval('oncebox_relay_leaves_reclaimed_total'),
      inTheInterval('oncebox_relay_slot_switches_total'),
      inTheInterval('oncebox_consumer_leaves_reclaimed_total'),
    ),
    series(
      'Ids made locally',
      'short',
      inTheInterval('oncebox_ids_degradations_total'),
      inTheInterval('oncebox_ids_fallback_total'),
    ),
  ],
}

// biome-ignore lint/suspicious/noTemplateCurlyInString: it is Grafana that fills this in
const datasource = { type: 'prometheus', uid: '${datasource}' }

/** The dashboard as Grafana imports it. */
export function dashboard(): object {
  const panels: object[] = []
  let y = 0
  for (const [title, list] of Object.entries(rows)) {
    panels.push({ type: 'row', title, collapsed: false, gridPos: { x: 0, y, w: 24, h: 1 }, panels: [] })
    y++
    const [width, height, across] = list[0]?.kind === 'stat' ? [4, 4, 6] : [8, 8, 3]
    for (const [index, panel] of list.entries()) {
      const gridPos = { x: (index % across) * width, y: y + Math.floor(index / across) * height, w: width, h: height }
      panels.push(panelOf(panel, gridPos))
    }
    y += Math.ceil(list.length / across) * height
  }
  return {
    title: 'oncebox',
    uid: 'oncebox',
    tags: ['oncebox'],
    schemaVersion: 39,
    editable: true,
    refresh: '30s',
    time: { from: 'now-3h', to: 'now' },
    templating: {
      list: [dataSource(), variable('job', 'oncebox_database_readable'), variable('group', 'oncebox_consumer_running')],
    },
    panels: panels.map((panel, index) => ({ id: index + 1, ...panel })),
  }
}

function panelOf({ title, kind, unit, queries }: Panel, gridPos: object): object {
  const targets = queries.map(({ expr, legend }, index) => {
    return {
      refId: String.fromCharCode(65 + index),
      expr,
      legendFormat: legend,
      datasource,
      exemplar: expr.includes('_bucket'),
    }
  })
  return { type: kind, title, gridPos, datasource, targets, fieldConfig: { defaults: { unit, min: 0 }, overrides: [] } }
}

function dataSource(): object {
  return { name: 'datasource', type: 'datasource', query: 'prometheus' }
}

function variable(name: string, metric: MetricName): object {
  const query = `label_values(${metric}, ${name})`
  return {
    name,
    type: 'query',
    datasource,
    query,
    refresh: 2,
    includeAll: true,
    allValue: '.*',
    multi: true,
    current: { text: 'All', value: '$__all' },
  }
}

/** Every expression of the dashboard, with what Grafana fills in replaced. */
export function expressions(): string[] {
  const queries = Object.values(rows).flatMap((row) => row.flatMap(({ queries }) => queries))
  return queries.map(({ expr }) => expr.replaceAll('$__rate_interval', '5m'))
}
