import { expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { deployed, requireKnown, requireNoSecret } from './commandLine.js'

interface Container {
  readonly args: readonly string[]
  readonly env: readonly {
    readonly name: string
    readonly value?: string
    readonly valueFrom?: { secretKeyRef: object }
  }[]
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[]
  readonly livenessProbe: { readonly httpGet: { path: string; port: string } }
  readonly readinessProbe: { readonly httpGet: { path: string; port: string } }
  readonly securityContext: object
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[]
}
interface PodSpec {
  readonly containers: readonly [Container]
  readonly terminationGracePeriodSeconds: number
  readonly securityContext: object
  readonly volumes: readonly { readonly name: string }[]
}

const noPrivileges = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
}

const [deployment, budget] = parseAllDocuments(deployed('kubernetes/relay.yaml')).map((document) => {
  // The parser collects what is wrong, and goes on.
  expect(document).toMatchObject({ errors: [], warnings: [] })
  return document.toJS()
})

test('two relays run without privileges, a drain leaves one of them, and the budget finds its pods', () => {
  const pod: PodSpec = deployment.spec.template.spec
  expect(deployment).toMatchObject({ apiVersion: 'apps/v1', kind: 'Deployment', spec: { replicas: 2 } })
  expect(deployment.spec.template.metadata.labels).toEqual(deployment.spec.selector.matchLabels)
  expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 1000 })
  expect(pod.containers[0].securityContext).toEqual(noPrivileges)
  expect(pod.volumes.map(({ name }) => name)).toEqual(pod.containers[0].volumeMounts.map(({ name }) => name))
  expect(budget).toMatchObject({ apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', spec: { minAvailable: 1 } })
  expect(budget.spec.selector.matchLabels).toEqual(deployment.spec.selector.matchLabels)
})

test('the relay is started as the command line takes it, probed where it answers, and given time to stop', async () => {
  const pod: PodSpec = deployment.spec.template.spec
  const [{ args, env, ports, livenessProbe, readinessProbe }] = pod.containers
  const flags = await requireKnown({ args, environment: env.map(({ name }) => name) })
  expect(ports).toEqual([{ name: 'http', containerPort: Number(flags.get('--http-port')) }])
  // From outside of the pod.
  expect(flags.get('--http-host')).toBe('0.0.0.0')
  expect(livenessProbe.httpGet).toEqual({ path: '/livez', port: 'http' })
  expect(readinessProbe.httpGet).toEqual({ path: '/readyz', port: 'http' })
  expect(deployment.spec.template.metadata.annotations).toMatchObject({
    'prometheus.io/port': flags.get('--http-port'),
    'prometheus.io/path': '/metrics',
  })
  expect(pod.terminationGracePeriodSeconds * 1000).toBeGreaterThan(Number(flags.get('--deadline-ms')) + 2_000)
})

test('passwords come from a secret, and the image is the one that compose builds', () => {
  const [{ env }] = deployment.spec.template.spec.containers as [Container]
  for (const name of ['DATABASE_URL', 'KAFKA_SASL_PASSWORD']) {
    expect(env.find((each) => each.name === name)).toMatchObject({ valueFrom: { secretKeyRef: { name: 'oncebox' } } })
  }
  for (const file of ['relay', 'migrate']) requireNoSecret(deployed(`kubernetes/${file}.yaml`))
})

test('the job migrates as the owner of the schema, whose secret no other pod has', async () => {
  const job = parse(deployed('kubernetes/migrate.yaml'))
  const pod: PodSpec = job.spec.template.spec
  expect(job).toMatchObject({ apiVersion: 'batch/v1', kind: 'Job' })
  const [{ args, env, securityContext }] = pod.containers
  await requireKnown({ args, environment: env.map(({ name }) => name) })
  expect(env[0]?.valueFrom?.secretKeyRef).toMatchObject({ name: 'oncebox-owner' })
  expect(securityContext).toEqual(noPrivileges)
  expect(pod.securityContext).toMatchObject({ runAsNonRoot: true })
})
