import type { Tools } from '../../lib/index.js'

const currencies = ['CHF', 'EUR', 'GBP', 'JPY', 'USD']

/** Four tools of the kind that people give to a small model. They are called, not run. */
export const tools: Tools = {
  get_weather: {
    description: 'The weather forecast for a city',
    parameters: {
      type: 'object',
      properties: {
        city: { type: 'string', description: 'The name of the city' },
        day: { enum: ['today', 'tomorrow'], description: 'The day of the forecast' },
      },
      required: ['city', 'day'],
    },
  },
  convert_currency: {
    description: 'Converts an amount of money from one currency into another at the present rate',
    parameters: {
      type: 'object',
      properties: {
        amount: { type: 'number', description: 'How much money' },
        from: { enum: currencies, description: 'The currency that the amount is in' },
        to: { enum: currencies, description: 'The currency that is wanted' },
      },
      required: ['amount', 'from', 'to'],
    },
  },
  set_timer: {
    description: 'Starts a timer that rings when the time is over',
    parameters: {
      type: 'object',
      properties: { minutes: { type: 'integer', description: 'After how many minutes it rings' } },
      required: ['minutes'],
    },
  },
  find_trains: {
    description: 'Finds the next trains from one city to another',
    parameters: {
      type: 'object',
      properties: {
        from: { type: 'string', description: 'The city of departure' },
        to: { type: 'string', description: 'The city of arrival' },
      },
      required: ['from', 'to'],
    },
  },
}

export interface ExpectedCall {
  name: string
  arguments: Record<string, unknown>
}

const weather = (city: string, day: string): ExpectedCall => ({ name: 'get_weather', arguments: { city, day } })
const money = (amount: number, from: string, to: string): ExpectedCall => ({
  name: 'convert_currency',
  arguments: { amount, from, to },
})
const timer = (minutes: number): ExpectedCall => ({ name: 'set_timer', arguments: { minutes } })
const trains = (from: string, to: string): ExpectedCall => ({ name: 'find_trains', arguments: { from, to } })

/** Questions that want one call, and the call, written down before any model was asked. */
export const callQuestions: readonly (readonly [question: string, call: ExpectedCall])[] = [
  ['What will the weather be like in Lisbon tomorrow?', weather('Lisbon', 'tomorrow')],
  ['Do I need an umbrella in Hamburg today?', weather('Hamburg', 'today')],
  ['Is it sunny in Cairo today?', weather('Cairo', 'today')],
  ['I am going to Oslo tomorrow. Will it be cold there?', weather('Oslo', 'tomorrow')],
  ['Give me the forecast for Kyoto for tomorrow, please.', weather('Kyoto', 'tomorrow')],
  ['How much is 250 EUR in USD?', money(250, 'EUR', 'USD')],
  ['Convert 1200 JPY into EUR.', money(1200, 'JPY', 'EUR')],
  ['I have 80 British pounds (GBP). How many Swiss francs (CHF) is that?', money(80, 'GBP', 'CHF')],
  ['What do I get for 49.5 USD in GBP?', money(49.5, 'USD', 'GBP')],
  ['Please change 15 CHF to JPY for me.', money(15, 'CHF', 'JPY')],
  ['Set a timer for 10 minutes.', timer(10)],
  ['My eggs need 7 minutes. Tell me when they are done.', timer(7)],
  ['Wake me in 45 minutes.', timer(45)],
  ['Start a timer of two hours, that is 120 minutes.', timer(120)],
  ['Remind me in 3 minutes that the tea is ready.', timer(3)],
  ['When is the next train from Berlin to Prague?', trains('Berlin', 'Prague')],
  ['Find me a train from Madrid to Seville.', trains('Madrid', 'Seville')],
  ['How do I get from Vienna to Graz by train?', trains('Vienna', 'Graz')],
  ['I am in Milan and want to take the train to Rome.', trains('Milan', 'Rome')],
  ['Which trains go to Edinburgh from London?', trains('London', 'Edinburgh')],
]

/** Questions that none of the tools is for. */
export const plainQuestions: readonly string[] = [
  'What is the capital of Italy?',
  'Thank you, that was helpful.',
  'Write two lines of a poem about rain.',
  'What is 12 times 12?',
  'Who wrote Romeo and Juliet?',
  'Explain in one sentence what a currency is.',
  'Tell me a joke about trains.',
  'How does a steam engine work?',
  'Translate "good morning" into French.',
  'What is the difference between weather and climate?',
  'Hello! How are you?',
  'Name three primary colours.',
  'Write a function in Python that reverses a string.',
  'Why is the sky blue?',
  'What is a good name for a small dog?',
  'Give me a synonym for "quick".',
  'How many legs does a spider have?',
  'What does HTTP stand for?',
  'Is a whale a fish?',
  'Correct this sentence: "She go to school every days."',
]
