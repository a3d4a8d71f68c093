import { parser } from '@prometheus-io/lezer-promql'

export type SyntaxNode = ReturnType<typeof parser.parse>['topNode']

/** A label set with a value, as an instant query has it; a number is a scalar. */
export interface Point {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}
export type Value = number | readonly Point[]

/** What is asked of a query: how to find samples, and when. Times in seconds. */
export interface Source {
  /** Samples of every series that matches, in (from, to], oldest first. */
  range(selector: Selector, from: number, to: number): readonly Samples[]
}

export interface Selector {
  readonly metric: string
  readonly matchers: readonly { readonly label: string; readonly operator: string; readonly value: string }[]
}

export interface Samples {
  readonly labels: Readonly<Record<string, string>>
  readonly at: readonly number[]
  readonly values: readonly number[]
}

/** An instant query sees the newest sample of the last five minutes, as Prometheus does. */
const lookbackSeconds = 300

/** The tree of an expression. Throws where Prometheus' grammar does not take it. */
export function parse(expression: string): SyntaxNode {
  const tree = parser.configure({ strict: true }).parse(expression)
  const top = tree.topNode.firstChild
  if (top === null) throw new Error(`nothing in ${expression}`)
  return top
}

/** Every metric that an expression names. */
export function selectorsIn(expression: string): Selector[] {
  const found: Selector[] = []
  const walk = (node: SyntaxNode): void => {
    if (node.name === 'VectorSelector') found.push(selectorOf(node, expression))
    for (let child = node.firstChild; child !== null; child = child.nextSibling) walk(child)
  }
  walk(parse(expression))
  return found
}

/**
 * Evaluates an expression at a time: the part of PromQL that our rules are written in. Selectors, `rate`, `increase`,
 * `absent`, `max` and `sum` with `without` or `by`, arithmetic, comparisons that filter, `and`, `or` and `unless` on equal labels.
 * Anything else throws, so that no rule is taken for tested that is not.
 */
export function evaluate(expression: string, at: number, source: Source): Value {
  return evaluated(parse(expression), { expression, at, source })
}

interface Asked {
  readonly expression: string
  readonly at: number
  readonly source: Source
}

function evaluated(node: SyntaxNode, asked: Asked): Value {
  switch (node.name) {
    case 'NumberDurationLiteral':
      return Number(textOf(node, asked.expression))
    case 'ParenExpr':
      return evaluated(childOf(node, 1), asked)
    case 'VectorSelector':
      return newest(selectorOf(node, asked.expression), asked)
    case 'FunctionCall':
      return called(node, asked)
    case 'AggregateExpr':
      return aggregated(node, asked)
    case 'BinaryExpr':
      return combined(node, asked)
    default:
      throw new Error(`${node.name} is not evaluated here: ${textOf(node, asked.expression)}`)
  }
}

function newest(selector: Selector, { at, source }: Asked): Point[] {
  return source.range(selector, at - lookbackSeconds, at).map(({ labels, values }) => {
    return { labels, value: values.at(-1) as number }
  })
}

function called(node: SyntaxNode, asked: Asked): Value {
  const name = textOf(childOf(node, 0), asked.expression)
  const argument = childOf(childOf(node, 1), 0)
  if (name === 'absent') return asVector(evaluated(argument, asked)).length === 0 ? [{ labels: {}, value: 1 }] : []
  if (name !== 'rate' && name !== 'increase') throw new Error(`${name} is not evaluated here`)
  const selector = selectorOf(childOf(argument, 0), asked.expression)
  const seconds = durationOf(textOf(childOf(argument, 1), asked.expression))
  const from = asked.at - seconds
  return asked.source.range(selector, from, asked.at).flatMap(({ labels, at, values }) => {
    const increase = extrapolated(at, values, from, asked.at)
    if (increase === null) return []
    const { __name__: _, ...rest } = labels
    return [{ labels: rest, value: name === 'rate' ? increase / seconds : increase }]
  })
}

/** How much a counter rose, carried on to the edges of the range as Prometheus does (promql/functions.go). */
function extrapolated(at: readonly number[], values: readonly number[], from: number, to: number): number | null {
  const [first, last] = [at[0], at.at(-1)]
  if (first === undefined || last === undefined || at.length < 2) return null
  let rise = 0
  for (let index = 1; index < values.length; index++) {
    const [before, now] = [values[index - 1] as number, values[index] as number]
    rise += now < before ? now : now - before
  }
  const sampled = last - first
  const between = sampled / (at.length - 1)
  const reach = between * 1.1
  let start = first - from < reach ? first - from : between / 2
  const end = to - last < reach ? to - last : between / 2
  if (rise > 0) start = Math.min(start, sampled * ((values[0] as number) / rise))
  return rise * ((sampled + start + end) / sampled)
}

function aggregated(node: SyntaxNode, asked: Asked): Value {
  const operator = textOf(childOf(node, 0), asked.expression)
  const modifier = childOf(node, 1)
  const kind = childOf(modifier, 0).name
  if (kind !== 'Without' && kind !== 'By') throw new Error(`${kind} is not evaluated here`)
  const named = new Set(childrenOf(childOf(modifier, 1)).map((label) => textOf(label, asked.expression)))
  const groups = new Map<string, { labels: Record<string, string>; values: number[] }>()
  for (const { labels, value } of asVector(evaluated(childOf(childOf(node, 2), 0), asked))) {
    const kept = Object.fromEntries(
      Object.entries(labels).filter(([label]) => label !== '__name__' && named.has(label) === (kind === 'By')),
    )
    const group = groups.get(labelKey(kept)) ?? { labels: kept, values: [] }
    group.values.push(value)
    groups.set(labelKey(kept), group)
  }
  if (operator !== 'max' && operator !== 'sum') throw new Error(`${operator} is not evaluated here`)
  return [...groups.values()].map(({ labels, values }) => {
    return { labels, value: operator === 'max' ? Math.max(...values) : values.reduce((sum, value) => sum + value, 0) }
  })
}

function combined(node: SyntaxNode, asked: Asked): Value {
  const [leftNode, operatorNode, rightNode, more] = childrenOf(node)
  if (leftNode === undefined || operatorNode === undefined || rightNode === undefined || more !== undefined) {
    throw new Error(`matching is not evaluated here: ${textOf(node, asked.expression)}`)
  }
  const [left, right] = [evaluated(leftNode, asked), evaluated(rightNode, asked)]
  const operator = textOf(operatorNode, asked.expression)
  if (operator === 'and' || operator === 'or' || operator === 'unless')
    return united(asVector(left), operator, asVector(right))
  if (typeof left === 'number' && typeof right === 'number') return calculated(left, operator, right) ?? Number.NaN
  if (typeof right === 'number') return mapped(left, (value) => calculated(value, operator, right))
  if (typeof left === 'number') return mapped(right, (value) => calculated(left, operator, value))
  const others = new Map(right.map((point) => [labelKey(point.labels), point.value]))
  return left.flatMap(({ labels, value }) => {
    const other = others.get(labelKey(labels))
    const result = other === undefined ? null : calculated(value, operator, other)
    return result === null ? [] : [{ labels, value: result }]
  })
}

function mapped(value: Value, change: (value: number) => number | null): Point[] {
  return asVector(value).flatMap((point) => {
    const result = change(point.value)
    return result === null ? [] : [{ ...point, value: result }]
  })
}

/** A comparison keeps the left side's value, or nothing. */
function calculated(left: number, operator: string, right: number): number | null {
  switch (operator) {
    case '*':
      return left * right
    case '/':
      return left / right
    case '>':
      return left > right ? left : null
    case '==':
      return left === right ? left : null
    default:
      throw new Error(`${operator} is not evaluated here`)
  }
}

function united(left: readonly Point[], operator: 'and' | 'or' | 'unless', right: readonly Point[]): Point[] {
  const keys = (points: readonly Point[]) => new Set(points.map(({ labels }) => labelKey(labels)))
  const [known, others] = [keys(left), keys(right)]
  if (operator !== 'or') return left.filter(({ labels }) => others.has(labelKey(labels)) === (operator === 'and'))
  return [...left, ...right.filter(({ labels }) => !known.has(labelKey(labels)))]
}

/** Equal for equal labels; the name of the metric does not count. */
export function labelKey(labels: Readonly<Record<string, string>>): string {
  const entries = Object.entries(labels).filter(([label]) => label !== '__name__')
  return JSON.stringify(entries.sort(([one], [other]) => (one < other ? -1 : 1)))
}

/** `5m` in seconds. */
export function durationOf(text: string): number {
  const seconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 }
  const match = /^(\d+)([smhd])$/.exec(text)
  if (match === null) throw new Error(`not a duration: ${text}`)
  return Number(match[1]) * (seconds[String(match[2])] as number)
}

/** `metric{label="value"}`. */
export function selectorOf(node: SyntaxNode, expression: string): Selector {
  const [name, list] = childrenOf(node)
  const matchers = list === undefined ? [] : childrenOf(list)
  return {
    metric: name === undefined ? '' : textOf(name, expression),
    matchers: matchers.map((matcher) => {
      const [label = '', operator = '', value = '""'] = childrenOf(matcher).map((part) => textOf(part, expression))
      return { label, operator, value: JSON.parse(value) as string }
    }),
  }
}

function asVector(value: Value): readonly Point[] {
  if (typeof value === 'number') throw new Error('a scalar where a vector belongs')
  return value
}

function childrenOf(node: SyntaxNode): SyntaxNode[] {
  const children: SyntaxNode[] = []
  for (let child = node.firstChild; child !== null; child = child.nextSibling) children.push(child)
  return children
}

function childOf(node: SyntaxNode, index: number): SyntaxNode {
  const child = childrenOf(node)[index]
  if (child === undefined) throw new Error(`${node.name} has no part ${index}`)
  return child
}

function textOf(node: SyntaxNode, expression: string): string {
  return expression.slice(node.from, node.to)
}
