import { types } from 'node:util'
import { shownName } from './shownPath.js'

const deepest = 500

/**
 * True when `JSON.stringify` keeps all of `value`, as far as a quick look can tell: plain objects and arrays of
 * well-formed strings, finite numbers, booleans, nulls and valid dates. False means: look carefully.
 */
export function isPlainJson(value: unknown, depth = 0): boolean {
  switch (typeof value) {
    case 'string':
      return value.isWellFormed()
    case 'number':
      return Number.isFinite(value)
    case 'boolean':
      return true
    case 'object':
      break
    default:
      return false
  }
  if (value === null) return true
  if (depth === deepest) return false
  if (Array.isArray(value)) {
    if ('toJSON' in value) return false
    for (let index = 0; index < value.length; index++) if (!isPlainJson(value[index], depth + 1)) return false
    return true
  }
  const prototype = Object.getPrototypeOf(value)
  if (prototype === Date.prototype) return Number.isFinite((value as Date).getTime())
  if ((prototype !== Object.prototype && prototype !== null) || 'toJSON' in value) return false
  for (const name in value) {
    if (!name.isWellFormed()) return false
    const item = (value as Record<string, unknown>)[name]
    if (item !== undefined && !isPlainJson(item, depth + 1)) return false
  }
  return true
}

/**
 * A copy of `data` that `JSON.stringify` renders as it renders `data`, each `toJSON` called once. What JSON would lose
 * or refuse is thrown as the error that `refuse` makes of its path and kind. Undefined properties are left out.
 */
export function toPlainJson(data: unknown, refuse: (path: string, what: string) => Error): unknown {
  const ancestors = new Set<object>()

  function copy(value: unknown, path: string, name: string): unknown {
    switch (typeof value) {
      case 'string':
        if (!value.isWellFormed()) throw refuse(path, 'a lone surrogate')
        return value
      case 'number':
        if (!Number.isFinite(value)) throw refuse(path, 'NaN or an infinity')
        return value
      case 'boolean':
        return value
      case 'object':
        break
      default:
        throw refuse(path, value === undefined ? 'undefined' : `a ${typeof value}`)
    }
    if (value === null || isRawJson(value)) return value
    if (types.isBoxedPrimitive(value)) return copy(value.valueOf(), path, name)
    if (ancestors.has(value)) throw refuse(path, 'a cycle')
    if (ancestors.size === deepest) throw refuse(path, `nesting deeper than ${deepest} levels`)
    const lossy = lossyKind(value)
    if (lossy !== null) throw refuse(path, lossy)
    ancestors.add(value)
    const result = copyObject(value, path, name)
    ancestors.delete(value)
    return result
  }

  function copyObject(value: object, path: string, name: string): unknown {
    if ('toJSON' in value && typeof value.toJSON === 'function') {
      const own = value.toJSON(name) as unknown
      // A toJSON that answers with itself is rendered by its properties.
      if (own !== value) return copy(own, path, name)
    }
    if (Array.isArray(value)) return Array.from(value, (item, index) => copy(item, `${path}[${index}]`, String(index)))
    // Without a prototype, a property named __proto__ is one like any other.
    const result: Record<string, unknown> = Object.create(null)
    for (const [property, item] of Object.entries(value)) {
      if (!property.isWellFormed()) throw refuse(path, 'a lone surrogate in a property name')
      if (item !== undefined) result[property] = copy(item, `${path}.${shownName(property)}`, property)
    }
    return result
  }

  return copy(data, '(root)', '')
}

/** `JSON.rawJSON(text)`: a number of any precision, kept as it is written. */
function isRawJson(value: object): boolean {
  return (JSON as { isRawJSON?: (value: unknown) => boolean }).isRawJSON?.(value) === true
}

/** The kind of an object that JSON renders as something else without a word, or null. */
function lossyKind(value: object): string | null {
  if (types.isDate(value)) return Number.isFinite(value.getTime()) ? null : 'an invalid date'
  if ('toJSON' in value) return null
  if (types.isMap(value) || types.isWeakMap(value)) return 'a Map'
  if (types.isSet(value) || types.isWeakSet(value)) return 'a Set'
  if (types.isPromise(value)) return 'a promise (is an await missing?)'
  if (types.isRegExp(value)) return 'a regular expression'
  if (types.isNativeError(value)) return 'an Error'
  if (types.isAnyArrayBuffer(value) || ArrayBuffer.isView(value)) return 'binary data'
  return null
}
