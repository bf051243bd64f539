/**
 * The formats that are supported, as patterns of the whole text. Where a standard leaves more open than is of use,
 * these are narrower than it: what they match is valid, and not everything valid matches.
 */
export const formats: ReadonlyMap<string, string> = new Map(Object.entries(patterns()))

function patterns(): Record<string, string> {
  const month31 = '(0[13578]|1[02])-(0[1-9]|[12]\\d|3[01])'
  const month30 = '(0[469]|11)-(0[1-9]|[12]\\d|30)'
  const february = '02-(0[1-9]|1\\d|2[0-8])'
  const byFour = '([02468][048]|[13579][26])'
  // the years that four divides, of those that end a century only those that four hundred divides
  const leapYear = `(\\d\\d(0[48]|[2468][048]|[13579][26])|${byFour}00)`
  const date = `(\\d{4}-(${month31}|${month30}|${february})|${leapYear}-02-29)`
  const clock = '([01]\\d|2[0-3]):[0-5]\\d'
  const time = `${clock}:[0-5]\\d(\\.\\d{1,9})?(Z|[+-]${clock})`
  // a name of up to 8 parts of 30 stays below the 253 characters that a host's name may have
  const label = '[A-Za-z\\d]([A-Za-z\\d-]{0,28}[A-Za-z\\d])?'
  const word = "[A-Za-z\\d!#$%&'*+/=?^_`{|}~-]{1,20}"
  const octet = '(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'
  const part = "([A-Za-z\\d._~!$&'()*+,;=:@-]|%[\\dA-Fa-f]{2})"
  const host = `${label}(\\.${label}){0,7}`
  // what WHATWG's URLs take too: a name that ends like a number would have to be an address, and '--' begins another
  // alphabet
  const urlLabel = '[A-Za-z\\d]{1,20}(-[A-Za-z\\d]{1,10}){0,3}'
  const urlHost = `(${octet}(\\.${octet}){3}|(${urlLabel}\\.){0,3}[A-Za-z][A-Za-z\\d]{0,15}(-[A-Za-z\\d]{1,10}){0,3})`
  const port = ':(\\d{1,4}|[1-5]\\d{4}|6[0-4]\\d{3})'
  const some = (unit: string, then = '') => `\\d{1,4}${unit}${then === '' ? '' : `(${then})?`}`
  const days = some('D')
  const clockTime = `T(${some('H', some('M', some('S')))}|${some('M', some('S'))}|${some('S')})`
  return {
    date,
    time,
    'date-time': `${date}T${time}`,
    duration: `P(${some('W')}|(${some('Y', some('M', days))}|${some('M', days)}|${days})(${clockTime})?|${clockTime})`,
    email: `${word}(\\.${word}){0,2}@${label}(\\.${label}){1,7}`,
    uuid: '[\\dA-Fa-f]{8}(-[\\dA-Fa-f]{4}){3}-[\\dA-Fa-f]{12}',
    ipv4: `${octet}(\\.${octet}){3}`,
    ipv6: `(${ipv6()})`,
    hostname: host,
    uri: `[A-Za-z][A-Za-z\\d+.-]{0,20}://${urlHost}(${port})?(/${part}*)*(\\?(${part}|[/?])*)?(#(${part}|[/?])*)?`,
  }
}

/** Eight groups, or fewer around a '::' that stands for one or more that are zero. */
function ipv6(): string {
  const group = '[\\dA-Fa-f]{1,4}'
  const shortened = Array.from({ length: 8 }, (_, before) => {
    const start = before === 0 ? ':' : `(${group}:){${before}}`
    return before === 7 ? `${start}:` : `${start}:(${group}(:${group}){0,${6 - before}})?`
  })
  return [`${group}(:${group}){7}`, ...shortened].join('|')
}
