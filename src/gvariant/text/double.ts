/** Formatting of doubles as in C. */

/** Formats like C's `%.17g`, but adds `.0` if the result would look like an integer. Source: g_variant_print. */
export function formatDouble(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  const sign = value < 0 || Object.is(value, -0) ? '-' : ''
  const [digits, exponentText] = seventeenDigits(Math.abs(value))
  const exponent = Number(exponentText)
  const significant = digits.replace(/0+$/, '') || '0'
  if (exponent < -4 || exponent >= 17) {
    const fraction = significant.length > 1 ? `.${significant.slice(1)}` : ''
    const power = `${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`
    return `${sign}${significant.charAt(0)}${fraction}e${power}`
  }
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${significant}`
  const whole = significant.slice(0, exponent + 1).padEnd(exponent + 1, '0')
  return `${sign}${whole}.${significant.slice(exponent + 1) || '0'}`
}

/** Returns 17 significant digits, and the decimal exponent of the first. */
function seventeenDigits(value: number): readonly [digits: string, exponent: string] {
  const [digits = '', exponent = ''] = value.toExponential(16).replace('.', '').split('e')
  // JavaScript rounds half up, C half to even. Sixty digits suffice to recognise exactly half.
  const exact = value.toExponential(60).replace('.', '')
  const isHalf = /^50*e/.test(exact.slice(17))
  const below = exact.slice(0, 17)
  return isHalf && '02468'.includes(below.charAt(16))
    ? [below, exact.slice(exact.indexOf('e') + 1)]
    : [digits, exponent]
}
