import { seeded } from '../../tools/random.js'
import { expectRefusal, judge } from './judge.js'

const smile = '\ud83d\ude00'

describe('lengths', () => {
  test('every one within, and none outside', () => {
    const texts = Array.from({ length: 14 }, (_, i) => 'x'.repeat(i))
    for (const limits of [
      { minLength: 3 },
      { maxLength: 5 },
      { minLength: 2, maxLength: 7 },
      { minLength: 4, maxLength: 4 },
      { maxLength: 0 },
      { minLength: 0 },
    ]) {
      judge({ type: 'string', ...limits })
        .expectSound(200)
        .expectExact(texts)
    }
  })

  test('count code points, however they are written', () => {
    judge({ type: 'string', minLength: 2, maxLength: 2 })
      .expectSound()
      .expectExact([smile, smile + smile, 'ä"', '\\', '\\\\', '\n\t', smile.repeat(3)])
      .expectAcceptsTexts('"\\ud83d\\ude00\\uD83D\\uDE00"', '"\\u00e4\\n"', '"a\\/"')
      .expectRefusesTexts('"\\ud83d\\ude00"', '"\\ud83d\\ud83d"', '"\\ude00\\ud83d"', '"a\\ud83d"')
  })

  test('long ones', () => {
    for (const [minLength, maxLength] of [
      [0, 1999],
      [999, 1001],
      [1500, 2500],
      [0, 12_345],
      [4000, 4000],
    ] as const) {
      const judged = judge({ type: 'string', minLength, maxLength }).expectSound(3)
      for (const length of [minLength, minLength + 1, 1000, 1001, 1999, 2000, maxLength - 1, maxLength].filter(
        each => each >= minLength && each <= maxLength,
      ))
        judged.expectAccepts('y'.repeat(length))
      for (const length of [minLength - 1, maxLength + 1].filter(each => each >= 0))
        judged.expectRefuses('y'.repeat(length))
    }
    judge({ type: 'string', minLength: 2345 })
      .expectAccepts('y'.repeat(2345), 'y'.repeat(5000))
      .expectRefuses('y'.repeat(2344))
    judge({ type: 'string', maxLength: 100_000 })
    expectRefusal(
      { properties: { a: { type: 'string', maxLength: 100_001 } } },
      'properties.a',
      'asks for more than 100000 repetitions',
    )
  })
})

describe('patterns', () => {
  const alphabet = [
    'a',
    'b',
    'c',
    'A',
    'Z',
    '0',
    '5',
    '9',
    '_',
    '-',
    ' ',
    '"',
    '\\',
    '/',
    '\n',
    '\t',
    '\r',
    '\0',
    '\x1f',
    '\x7f',
    'ä',
    '\u00a0',
    '\u2028',
    '\ufeff',
    smile,
    '.',
    '^',
    '$',
    ']',
    '[',
    '(',
    ')',
    '{',
    '}',
    '|',
    '*',
    '+',
    '?',
  ]
  const short = [...alphabet, ''].flatMap(a => [...alphabet, ''].map(b => a + b))

  test.each([
    '^a$',
    '^abc$',
    'a',
    '^a',
    'a$',
    '',
    '^',
    '$',
    '^$',
    '^.$',
    '.',
    '^[ab]$',
    '^[^ab]$',
    '^[^"\\\\]$',
    '^["\\\\]{1,2}$',
    '^\\d$',
    '^\\D$',
    '^\\w+$',
    '^\\W$',
    '^\\s*$',
    '^\\S$',
    '^(a|b)c$',
    '^(?:a|bc)*$',
    '^(?<name>a)$',
    '^a|b$',
    '^ab?$',
    '^a{2}$',
    '^a{1,2}$',
    '^a{0}$',
    '^a{1,}$',
    '^a+?b??$',
    '^[a-cA-C]$',
    '^[\\d_-]$',
    '^[\\]\\[^-]$',
    '^[^]$',
    '^\\x41\\u0042?$',
    '^\\u{1F600}$',
    '^\\ud83d\\ude00$',
    '^\\cJ$',
    '^\\t|\\n$',
    '^[\\b]?$',
    '^\\.\\^\\$\\]\\[\\(\\)$',
    '^/\\/$',
    '^(a*)*$',
    '^(a?b?)*$',
    '^(a*|b)+$',
    '^(a?){3}$',
    '^((a?b?)*c?)*$',
    '^(){2}$',
    '^(a||b)$',
    '^[\\0-\\x1f]$',
    '^[^\\n]$',
    `^[${smile}a]$`,
    '^(([ab]*)?)+$',
    'a|b',
    '^a|b|c$',
    '^[ -~]$',
  ])('%s', pattern => {
    judge({ type: 'string', pattern })
      .expectSound(150)
      .expectExact([
        ...short,
        'abc',
        'abcc',
        'aab',
        'bcbc',
        'aaa',
        'aaaa',
        'abab',
        'ababc',
        'bbb',
        'cab',
        '.^$][()',
        '//',
      ])
  })

  test.each([
    '^\\d{3}-\\d{4}$',
    '^(\\([0-9]{3}\\))?[0-9]{3}-[0-9]{4}$',
    '^[A-Z]{2,3}[0-9]+$',
    '^https?://[^\\s/]+/.*$',
    '^#[0-9a-f]{6}$',
    '^v?\\d+(\\.\\d+){0,2}(-[a-z]+)?$',
    '^.{3,7}$',
    'x.*y',
    '^a{1500,2500}$',
  ])('sound: %s', pattern => {
    judge({ type: 'string', pattern }).expectSound(200)
  })

  test('what is long or often is counted', () => {
    judge({ type: 'string', pattern: '^(ab){1500,2500}$' })
      .expectAccepts('ab'.repeat(1500), 'ab'.repeat(2500))
      .expectRefuses('ab'.repeat(1499), 'ab'.repeat(2501))
    judge({ type: 'string', pattern: '^((a{30}){30}){30}$' })
      .expectAccepts('a'.repeat(27000))
      .expectRefuses('a'.repeat(26999))
  })

  test('random ones', () => {
    const random = seeded(9)
    const make = (depth: number): string => {
      const choices = [() => 'abc'[random.below(3)]!, () => '[ab]', () => '[^a]', () => '\\w', () => '.', () => '"']
      const deep = [
        () => `(${make(depth - 1)}|${make(depth - 1)})`,
        () => `(${make(depth - 1)})${['*', '+', '?', '{2}', '{1,3}', '{0,2}', '{2,}'][random.below(7)]}`,
        () => make(depth - 1) + make(depth - 1),
      ]
      return depth === 0 || random.chance(0.3)
        ? choices[random.below(choices.length)]!()
        : deep[random.below(deep.length)]!()
    }
    for (let i = 0; i < 150; i++) {
      const pattern = (random.chance(0.7) ? '^' : '') + make(4) + (random.chance(0.7) ? '$' : '')
      const texts = Array.from({ length: 60 }, () =>
        Array.from({ length: random.below(6) }, () => 'abcd"\\'[random.below(6)]).join(''),
      )
      judge({ type: 'string', pattern: pattern.includes('|') ? `^(${pattern.replace(/^\^|\$$/g, '')})$` : pattern })
        .expectSound(30, i)
        .expectExact(texts)
    }
  })

  test.each([
    ['(?=a)', /look-around, '\(\?='/],
    ['(?!a)', /look-around/],
    ['(?<=a)b', /look-around, '\(\?<='/],
    ['(?<!a)b', /look-around/],
    ['(a)\\1', /back reference '\\1'/],
    ['(?<n>a)\\k<n>', /back reference/],
    ['\\bword', /word boundary '\\b'/],
    ['\\Bx', /word boundary '\\B'/],
    ['\\p{L}', /property '\\p'/],
    ['[\\P{L}]', /property '\\P'/],
    ['a^b', /anchor/],
    ['a$b', /anchor/],
    ['(^a)', /anchor/],
    ['(a$)', /anchor/],
    ['^(a|b$)', /anchor/],
    ['(', /no regular expression with the flag u/],
    ['\\_', /no regular expression/],
    ['a{2', /no regular expression/],
    ['[b-a]', /no regular expression/],
    [`${'('.repeat(51)}a${')'.repeat(51)}`, /nested more than 50 deep/],
    ['a'.repeat(2001), /2001 characters/],
    ['^a{100001}$', /more than 100000 repetitions/],
    ['^[^\\s\\S]$', /matches no text/],
    ['^[\\ud800]$', /matches no text/],
    ['\\ud800', /matches no text/],
    ['\ud83d', /matches no text/],
    ['^a{2,1}', /no regular expression/],
  ])('refused: %s', (pattern, message) => {
    expectRefusal(
      { properties: { p: { type: 'string', pattern } } },
      message.source.includes('repetitions') ? 'properties.p' : 'properties.p.pattern',
      message,
    )
  })

  test('a choice of which one can match', () => {
    judge({ type: 'string', pattern: '^(a|[^\\s\\S]b)$' }).expectSound(5).expectExact(['a', 'b'])
    judge({ type: 'string', pattern: '^a([^\\s\\S]b)*$' }).expectSound(5).expectExact(['a', 'ab'])
    judge({ type: 'string', pattern: '^a$|^[^\\s\\S]$' }).expectSound(5).expectExact(['a', 'b'])
  })

  test('with a length', () => {
    const texts = Array.from({ length: 12 }, (_, i) => 'a'.repeat(i))
    judge({ type: 'string', pattern: '^[a-z]+$', minLength: 3, maxLength: 8 }).expectSound(100).expectExact(texts)
    judge({ type: 'string', pattern: '^[a-z]*$', maxLength: 8 }).expectSound(100).expectExact(texts)
    judge({ type: 'string', pattern: '^[a-z]{2,10}$', minLength: 5 }).expectSound(100).expectExact(texts)
    judge({ type: 'string', pattern: '^\\d{3}-\\d{4}$', minLength: 1, maxLength: 8 })
      .expectSound(20)
      .expectAccepts('123-4567')
    judge({ type: 'string', pattern: '^(a|aaaa)$|^aaaaaa$', maxLength: 4 }).expectSound(20).expectExact(texts)
    judge({ type: 'string', pattern: 'abc', minLength: 2 }).expectSound(20).expectAccepts('xabcx')
    const keyword = 'pattern'
    expectRefusal(
      { type: 'string', pattern: '^[a-z]+-[a-z]+$', maxLength: 8 },
      keyword,
      /beside minLength or maxLength/,
    )
    expectRefusal({ type: 'string', pattern: 'a', maxLength: 8 }, keyword, /beside minLength or maxLength/)
    expectRefusal({ type: 'string', pattern: '^a{5}$', maxLength: 4 }, keyword, /matches no text with such a length/)
  })
})

describe('formats', () => {
  const one = (format: string) => judge({ type: 'string', format }).expectSound(800)

  test('date', () => {
    const days = Array.from({ length: 5 }, (_, i) => [2023, 2024, 1900, 2000, 2100][i]!).flatMap(year =>
      Array.from({ length: 14 }, (_, month) =>
        [0, 1, 9, 10, 19, 20, 28, 29, 30, 31, 32].map(
          day => `${year}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`,
        ),
      ).flat(),
    )
    one('date').expectExact([...days, '24-01-01', '2024-1-1', '2024/01/01', ''])
  })

  test('time and date-time', () => {
    const times = [
      '00:00:00Z',
      '23:59:59Z',
      '24:00:00Z',
      '12:60:00Z',
      '12:00:00.123Z',
      '12:00:00+05:30',
      '12:00:00-23:59',
      '12:00:00+24:00',
      '12:00:00',
      '12:00Z',
      '1:00:00Z',
    ]
    one('time').expectExact(times)
    one('date-time').expectExact([
      ...times.map(time => `2024-02-29T${time}`),
      '2023-02-29T00:00:00Z',
      '2024-02-29',
      '12:00:00Z',
    ])
  })

  test('email', () => {
    one('email').expectExact([
      'a@b.co',
      'first.last+tag@sub.example.org',
      "o'neil@x.io",
      'a@b',
      '@b.co',
      'a@',
      'a b@c.de',
      'a..b@c.de',
      'a@-b.co',
      'a@b-.co',
      'a@b--c.co',
      '.a@b.co',
      'A_b@C.De',
    ])
  })

  test('uuid', () => {
    one('uuid').expectExact([
      '123e4567-e89b-12d3-a456-426614174000',
      '123E4567-E89B-12D3-A456-426614174000',
      '123e4567e89b12d3a456426614174000',
      '123e4567-e89b-12d3-a456-42661417400',
      'g23e4567-e89b-12d3-a456-426614174000',
    ])
  })

  test('ipv4 and ipv6', () => {
    one('ipv4').expectExact([
      '0.0.0.0',
      '255.255.255.255',
      '192.168.1.10',
      '256.1.1.1',
      '1.2.3',
      '1.2.3.4.5',
      '01.2.3.4',
      '199.249.250.9',
      '10.99.100.255',
    ])
    one('ipv6').expectExact([
      '::',
      '::1',
      '1::',
      '1::8',
      'fe80::1:2',
      '1:2:3:4:5:6:7:8',
      '1:2:3:4:5:6:7::',
      '::2:3:4:5:6:7:8',
      '1:2:3::7:8',
      '1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7:8:9',
      '1::2::3',
      ':1',
      '12345::',
      '1:2:3:4:5:6:7::8:9',
    ])
  })

  test('hostname', () => {
    one('hostname').expectExact([
      'localhost',
      'example.com',
      'a-b.c-d.example',
      'x1',
      '-a.com',
      'a-.com',
      'a..b',
      '',
      'under_score.com',
      '1.2.3.4',
    ])
  })

  test('uri', () => {
    one('uri').expectExact([
      'https://example.com',
      'http://a.b:8080/c/d.html?e=f&g=h#i',
      'ftp://x/%20',
      'https://x?',
      'https://x/a b',
      'example.com',
      '//x/y',
      'https://x/%zz',
      '1http://x',
      'http://127.0.0.1:64999/',
      'https://my-site.example.co.uk',
    ])
  })

  test('duration', () => {
    one('duration').expectExact([
      'P3W',
      'P1Y2M3D',
      'P1DT12H',
      'PT1H30M5S',
      'PT5S',
      'P',
      'PT',
      'P1DT',
      'P1W2D',
      'P1H',
      '1D',
      'P1.5D',
    ])
  })

  test('others, and on other types', () => {
    expectRefusal(
      { type: 'string', format: 'regex' },
      'format',
      /'regex' is not supported; the known ones are date, time/,
    )
    expectRefusal({ type: 'string', format: '__proto__' }, 'format', /is not supported/)
    judge({ type: 'integer', format: 'date' }).expectSound(10).expectAccepts(5)
  })

  test('with a length or a pattern', () => {
    judge({ type: 'string', format: 'uuid', minLength: 36, maxLength: 36 }).expectSound(10)
    expectRefusal({ type: 'string', format: 'email', maxLength: 10 }, 'format', /beside minLength or maxLength/)
    expectRefusal({ type: 'string', format: 'date', pattern: '^2' }, 'pattern', /is not supported together with format/)
  })
})
