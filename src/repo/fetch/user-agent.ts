/** The header `User-Agent`. Source: ostree-fetcher-curl.c; ostree-repo-pull.c (OSTREE_FETCHER_USERAGENT_STRING). */

import { COMPATIBLE_VERSION } from '../../compatible-version.ts'

/** Returns the header, with `more` appended. */
export function userAgentOf(more: string | undefined): string {
  const own = `libostree/${COMPATIBLE_VERSION}`
  return more === undefined || more === '' ? own : `${own} ${more}`
}
