/** Modes that pg takes for `verify-full` today, and warns about on stderr, because a later version will not. */
const verifiedUnderAnotherName = /([?&]sslmode=)(?:prefer|require|verify-ca)(?=&|$)/
const libpqMeaning = /[?&]uselibpqcompat=true(?:&|$)/
const asksForTls = /[?&](?:sslmode=(?!disable(?:&|$))|ssl=|sslrootcert=|sslnegotiation=)/

/**
 * The same connection string with TLS that is verified whichever of the usual modes asks for it. Left alone: `no-verify`,
 * `disable`, and what `uselibpqcompat=true` asks for by that name.
 */
export function withVerifiedTls(url: string): string {
  return libpqMeaning.test(url) ? url : url.replace(verifiedUnderAnotherName, '$1verify-full')
}

// OpenSSL's names for a chain that does not end at an authority we know, and Node's for a name that is not in the certificate.
const untrusted =
  /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT(_LOCALLY)?)$/
const otherFault = /^(CERT_[A-Z_]+|ERR_TLS_[A-Z_]+|ERR_SSL_[A-Z_]+|EPROTO)$/

/** What to do when TLS is what failed, by the error's code; null when it is something else. */
export function tlsAdvice(code: string | undefined, url: string): string | null {
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return "The server's certificate is for another name: connect by the name in it."
  }
  if (code !== undefined && untrusted.test(code)) {
    return "The server's certificate is not from an authority this machine trusts: name its authority with sslrootcert=FILE in the URL. sslmode=no-verify encrypts without knowing to whom."
  }
  if (code !== undefined && otherFault.test(code))
    return "Check the server's certificate and the ssl… parts of the URL."
  // A server without TLS answers in one byte, which the driver tells of without a code.
  if (code === undefined && asksForTls.test(url))
    return 'Check that the server speaks TLS (ssl = on), which the URL asks for.'
  return null
}
