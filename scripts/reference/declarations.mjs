import { join } from 'node:path'
import {
  isClassDeclaration,
  isFunctionDeclaration,
  isIdentifier,
  isInterfaceDeclaration,
  isMethodSignatureDeclaration,
  isPropertySignatureDeclaration,
  isTypeAliasDeclaration,
} from 'typescript/unstable/ast/is'
import { API, SymbolFlags } from 'typescript/unstable/sync'
import { classCode, constCode, functionCode, typeCode } from './code.mjs'

/**
 * What each entry point exports, read by the compiler from the sources.
 *
 * @returns {Map<string, Item[]>} by the entry point's name
 *
 * An Item is `{ key, name, kind, doc, code, properties, methods, bases, mentions, locals }`: `key` is one for every declaration,
 * however often it is exported; `doc` the docstring as it stands; `code` the declaration without bodies; of an interface
 * its properties and methods; `bases` what it extends and `mentions` what its types name, as keys; `locals` the code of
 * those that no entry point exports.
 */
export function readDeclarations(root, entries) {
  const api = new API({ cwd: root })
  try {
    const configs = [...new Set(entries.map(({ folder }) => join(root, 'packages', folder, 'tsconfig.json')))]
    const snapshot = api.updateSnapshot({ openProjects: configs })
    const projects = configs.map((config) => snapshot.getProject(config))
    // The first project holds nearly everything: a checker a package would take three times as long.
    const projectOf = (path) => projects.find(({ program }) => program.getSourceFileNames().includes(path))
    const exported = new Map(
      entries.map(({ name, source }) => {
        const path = join(root, source)
        return [name, exportsOf(projectOf(path), path)]
      }),
    )
    return withLocals(root, exported)
  } finally {
    api.close()
  }
}

function exportsOf({ program, checker }, path) {
  const file = program.getSourceFile(path)
  const module = checker.getSymbolAtLocation(file)
  return checker.getExportsOfModule(module).map((exported) => itemOf(checker, exported))
}

/** A reader of a type wants to know what it is made of, exported or not. */
function withLocals(root, exported) {
  const known = new Set([...exported.values()].flat().map(({ key }) => key))
  // On file systems that do not tell cases apart the compiler's paths are in small letters.
  const ours = join(root, 'packages/').toLowerCase()
  const complete = ({ symbols, checker, ...item }) => {
    const locals = new Map()
    const waiting = [...symbols]
    for (let symbol = waiting.shift(); symbol !== undefined; symbol = waiting.shift()) {
      const key = keyOf(symbol)
      if (known.has(key) || locals.has(key) || !key.toLowerCase().startsWith(ours)) continue
      const declaration = symbol.declarations[0].resolve()
      if (!isInterfaceDeclaration(declaration) && !isTypeAliasDeclaration(declaration)) continue
      locals.set(key, typeCode(declaration))
      waiting.push(...mentioned(checker, [declaration]))
    }
    return { ...item, locals: [...locals.values()] }
  }
  return new Map([...exported].map(([name, items]) => [name, items.map(complete)]))
}

function itemOf(checker, exported) {
  const symbol = target(checker, exported)
  const declarations = symbol.declarations.map((handle) => handle.resolve())
  const [declaration] = declarations
  const item = {
    key: keyOf(symbol),
    name: exported.name,
    doc: docOf(declaration),
    properties: [],
    methods: [],
    bases: [],
  }
  const mentions = (nodes) => {
    const symbols = mentioned(checker, nodes).filter((one) => keyOf(one) !== item.key)
    return { mentions: symbols.map(keyOf), symbols, checker }
  }
  if (isFunctionDeclaration(declaration)) {
    const overloads = declarations.length > 1 ? declarations.filter(({ body }) => body === undefined) : declarations
    const code = overloads.map((one) => functionCode(one, checker)).join('\n')
    return { ...item, kind: 'function', code, ...mentions(overloads.flatMap(signatureOf)) }
  }
  if (isInterfaceDeclaration(declaration)) {
    const { members } = declaration
    const described = members.every((one) => isPropertySignatureDeclaration(one) || isMethodSignatureDeclaration(one))
    const bases = mentioned(checker, declaration.heritageClauses ?? []).map(keyOf)
    return {
      ...item,
      kind: 'interface',
      code: described ? typeCode(declaration).replace(/\s*\{[\s\S]*$/, '') : typeCode(declaration),
      properties: described ? members.filter(isPropertySignatureDeclaration).map(propertyOf).filter(isNamed) : [],
      methods: described ? methodsOf(members.filter(isMethodSignatureDeclaration)) : [],
      bases,
      ...mentions([declaration]),
    }
  }
  if (isClassDeclaration(declaration)) {
    return {
      ...item,
      kind: 'class',
      code: classCode(declaration, docOf),
      ...mentions(declaration.members.flatMap(signatureOf)),
    }
  }
  if (isTypeAliasDeclaration(declaration)) {
    return { ...item, kind: 'type', code: typeCode(declaration), ...mentions([declaration]) }
  }
  // A variable: its docstring stands before the statement.
  const type = declaration.type === undefined ? [] : [declaration.type]
  const statement = declaration.parent.parent
  return {
    ...item,
    kind: 'const',
    doc: docOf(statement),
    code: constCode(declaration, checker),
    ...mentions(type),
  }
}

function propertyOf(node) {
  return {
    name: node.name.getText(),
    optional: node.questionToken !== undefined || node.postfixToken !== undefined,
    type: node.type.getText(),
    doc: docOf(node),
  }
}

/** A member under a symbol marks a type, and is nobody's to use. */
const isNamed = ({ name }) => !name.startsWith('[')

/** Overloads of one name are one method. */
function methodsOf(nodes) {
  const methods = new Map()
  for (const node of nodes) {
    const name = node.name.getText()
    methods.set(name, [...(methods.get(name) ?? []), { code: node.getText(), doc: docOf(node) }])
  }
  return [...methods].map(([name, overloads]) => ({ name, overloads }))
}

/** The nodes that are a function's face. */
function signatureOf(node) {
  return [...(node.typeParameters ?? []), ...(node.parameters ?? []), ...(node.type === undefined ? [] : [node.type])]
}

/** The symbols that stand in the nodes, each once. */
function mentioned(checker, nodes) {
  const identifiers = nodes.flatMap(identifiersBelow)
  if (identifiers.length === 0) return []
  const found = checker.getSymbolAtLocation(identifiers).filter((symbol) => symbol !== undefined)
  return [...new Map(found.map((symbol) => target(checker, symbol)).map((symbol) => [keyOf(symbol), symbol])).values()]
}

function identifiersBelow(node) {
  const found = []
  const visit = (child) => {
    if (isIdentifier(child)) found.push(child)
    child.forEachChild(visit)
  }
  visit(node)
  return found
}

const target = (checker, symbol) => (symbol.flags & SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol)

/** One for every declaration, whichever project sees it. */
const keyOf = ({ name, declarations: [first] }) => (first === undefined ? name : `${first.path}#${first.index}`)

function docOf(node) {
  const doc = node.jsDoc?.at(-1)
  return doc === undefined ? undefined : node.getSourceFile().text.slice(doc.pos, doc.end).trim()
}
