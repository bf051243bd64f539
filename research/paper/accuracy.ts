import type { Answers } from './answers.js'

/** How many of some questions were answered rightly. */
export interface Accuracy {
  right: number
  questions: number
}

/** Over the questions whose answers came after more than `after` and at most `until` tokens. */
export function accuracyOf({ right, seen }: Pick<Answers, 'right' | 'seen'>, after = 0, until = Infinity): Accuracy {
  const those = right.filter((_, i) => seen[i]! > after && seen[i]! <= until)
  return { right: those.filter(Boolean).length, questions: those.length }
}

/** In percent; undefined without questions. */
export function percent({ right, questions }: Accuracy): number | undefined {
  return questions === 0 ? undefined : (100 * right) / questions
}

/**
 * Wilson's interval of 95 % for the accuracy, in percent: unlike the usual one it is right for few questions and for
 * accuracies near 0 and 100.
 */
export function interval({ right, questions }: Accuracy): [number, number] {
  if (questions === 0) return [0, 100]
  const z = 1.959964
  const share = right / questions
  const spread = z * Math.sqrt((share * (1 - share)) / questions + (z / (2 * questions)) ** 2)
  const middle = share + z ** 2 / (2 * questions)
  const scale = 100 / (1 + z ** 2 / questions)
  return [Math.max(0, scale * (middle - spread)), Math.min(100, scale * (middle + spread))]
}

/** Such as "62.5 % (42.7 to 78.8)", or what there is to say without questions. */
export function accuracyText(accuracy: Accuracy, none = 'no questions'): string {
  const share = percent(accuracy)
  if (share === undefined) return none
  const [low, high] = interval(accuracy)
  return `${share.toFixed(1)} % (${low.toFixed(1)} to ${high.toFixed(1)})`
}

/** Accuracy in percent along the stream: points of about `perPoint` questions each, at the tokens in their middle. */
export function accuracyCurve(
  { right, seen }: Pick<Answers, 'right' | 'seen'>,
  perPoint: number,
): { x: number; y: number }[] {
  const parts = Math.max(1, Math.round(right.length / perPoint))
  const points: { x: number; y: number }[] = []
  for (let part = 0; part < parts && right.length > 0; part++) {
    const from = Math.floor((part * right.length) / parts)
    const to = Math.floor(((part + 1) * right.length) / parts)
    const good = right.slice(from, to).filter(Boolean).length
    points.push({ x: (seen[from]! + seen[to - 1]!) / 2, y: (100 * good) / (to - from) })
  }
  return points
}
