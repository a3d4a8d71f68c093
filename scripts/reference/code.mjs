import { isArrayLiteralExpression, isObjectLiteralExpression, isPropertyDeclaration } from 'typescript/unstable/ast/is'

const noTruncation = 1

/** A function without its body. */
export function functionCode(node, checker) {
  return `${withoutExport(faceOf(node))}${node.type === undefined ? `: ${returned(node, checker)}` : ''}`
}

/** A type or an interface as it stands, comments included. */
export function typeCode(node) {
  return withoutExport(node.getText())
}

/** A class with what is public of it, without bodies. */
export function classCode(node, docOf) {
  const text = node.getText()
  const head = withoutExport(text.slice(0, text.indexOf('{'))).trim()
  const members = node.members.filter(isPublic).flatMap((member) => {
    const doc = docOf(member)
    return doc === undefined ? [`  ${faceOf(member)}`] : [`  ${doc}`, `  ${faceOf(member)}`]
  })
  return [`${head} {`, ...members, '}'].join('\n')
}

/** A constant with its type; one that is a table of constants, as it stands. */
export function constCode(node, checker) {
  const name = node.name.getText()
  if (node.type !== undefined) return `const ${name}: ${node.type.getText()}`
  if (node.initializer !== undefined && isTable(node.initializer))
    return `const ${name} = ${node.initializer.getText()}`
  const type = checker.getTypeOfSymbol(checker.getSymbolAtLocation(node.name))
  return `const ${name}: ${checker.typeToString(type, node, noTruncation).replaceAll('"', "'")}`
}

/** A literal, behind whatever `as const` and `satisfies` stand after it. */
function isTable(expression) {
  const inner = expression.expression
  const literal = isObjectLiteralExpression(expression) || isArrayLiteralExpression(expression)
  return literal || (inner !== undefined && isTable(inner))
}

function faceOf(node) {
  const text = node.getText()
  if (isPropertyDeclaration(node) || node.body === undefined) return text
  return text.slice(0, node.body.pos - node.getStart()).trim()
}

function isPublic(member) {
  const text = member.getText()
  return !/^(private |protected |static \{|(override |readonly |static |async |get |set )*[#[])/.test(text)
}

function returned(node, checker) {
  const signature = checker.getSignatureFromDeclaration(node)
  return checker.typeToString(checker.getReturnTypeOfSignature(signature), node, noTruncation)
}

const withoutExport = (text) => text.replace(/^export (?:default )?/, '').replace(/^async /, '')
