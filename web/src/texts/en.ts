// texts/en.ts -- every text that people read, in English. Another language is a file of this shape.
//
// SPDX-License-Identifier: MIT OR Apache-2.0

const plural = new Intl.PluralRules('en');
const n = (count: number, one: string, other: string) =>
  `${count.toLocaleString('en')} ${plural.select(count) === 'one' ? one : other}`;
const list = new Intl.ListFormat('en', { type: 'conjunction' });
const at = (handles: string[]) => list.format(handles.map((h) => '@' + h));
/** "You and @bob": oneself first. */
const people = (handles: string[], own: string) =>
  list.format([...(handles.includes(own) ? ['You'] : []), ...handles.filter((h) => h !== own).map((h) => '@' + h)]);

export const en = {
  code: 'en',
  dir: 'ltr' as 'ltr' | 'rtl',
  app: 'kez-chat',
  title: (unread: number) => (unread > 0 ? `(${unread > 99 ? '99+' : unread}) kez-chat` : 'kez-chat'),
  skip: 'Skip to the chat',

  common: {
    back: 'Back', cancel: 'Cancel', close: 'Close', next: 'Continue', retry: 'Try again',
    copied: 'Copied', add: 'Add', loading: 'One moment …',
  },

  start: {
    heading: 'Messages that only you and your people can read',
    lead: 'kez-chat runs on a server you or a friend host. It carries your messages and cannot open them.',
    create: 'Create an account', restore: 'I have my words',
    server: (name: string) => `Home server: ${name}`,
    serverAt: (name: string, host: string) => `Home server: ${name}, at ${host}`,
    points: ['No phone number, no e-mail', 'Encrypted on your device', 'Twelve words are your whole account'],
  },

  create: {
    steps: (step: number, of: number) => `Step ${step} of ${of}`,
    handleHeading: 'Pick your handle',
    handleLead: 'This is how people find you. It cannot be changed later.',
    handle: 'Handle',
    handleHint: '3 to 32 letters, digits, “-” or “_”',
    checking: 'Checking …',
    free: (h: string) => `@${h} is free`,
    taken: (h: string) => `@${h} is taken. Try another one.`,
    problems: {
      short: 'A handle has at least 3 characters.', long: 'A handle has at most 32 characters.',
      first: 'A handle begins with a letter or a digit.',
      byte: 'Only small letters a to z, digits, “-” and “_”.',
      reserved: 'This name is reserved, so that nobody can pose as the people who run the server.',
    },
    wordsHeading: 'Your twelve words',
    wordsLead: 'They are your account. Write them on paper and keep them safe: they let you in on a new device, and nobody can give them back to you.',
    wordsWarn: 'Whoever has these words can read your messages and write in your name.',
    copyWords: 'Copy the words', wroteDown: 'I wrote them down',
    confirmHeading: 'Just to be sure',
    confirmLead: 'Please type these three of your words.',
    wordNo: (i: number) => `Word ${i}`,
    wrongWord: (i: number) => `Word ${i} is a different one. Have a look at what you wrote down.`,
    showAgain: 'Show the words again',
    passHeading: 'Choose a passphrase',
    passLead: 'It locks your keys on this device. A few unrelated words make a good one.',
    pass: 'Passphrase', pass2: 'Once more',
    passShort: 'Please use at least 8 characters.', passDiffer: 'The two are not the same.',
    strength: ['Too short', 'Weak', 'Fair', 'Good', 'Strong'],
    finish: 'Create my account', working: 'Making your account …',
    show: 'Show', hide: 'Hide',
  },

  restore: {
    heading: 'Welcome back',
    lead: 'Type or paste your 12 or 24 words, in their order.',
    words: 'Your words',
    unknown: (position: number, word: string, near: string[]) =>
      `Word ${position}, “${word}”, is not in the list.` + (near.length ? ` Did you mean ${near.map((w) => `“${w}”`).join(' or ')}?` : ''),
    count: (c: number) => `That is ${n(c, 'word', 'words')}. An account has 12 or 24.`,
    checksum: 'Each word is in the list, but together they are not an account. Is one in the wrong place, or mixed up with another?',
    notFound: 'The words are fine, but this server has no account for them. You can pick a handle for them here.',
    pickHandle: 'Pick a handle',
    found: (h: string) => `This is @${h}.`,
    passLead: 'Choose a passphrase. It locks your keys on this device; a few unrelated words make a good one.',
    finish: 'Restore my account', working: 'Restoring your account …',
  },

  lock: {
    heading: (h: string) => `@${h} is locked`,
    lead: 'Your passphrase opens it.',
    pass: 'Passphrase', unlock: 'Unlock', working: 'Unlocking …',
    wrong: 'That is not the passphrase.',
    forgot: 'Forgot it?',
    forgotLead: 'Nobody can tell you the passphrase. But with your words you can start anew on this device; what is kept on the server comes back.',
    startOver: 'Erase this device and use my words',
  },

  status: {
    live: 'live', reconnecting: 'reconnecting', connecting: 'connecting',
    reasons: {
      start: 'Connecting to the server', ok: 'Messages arrive the moment they are sent',
      offline: 'This device has no network', network: 'The server cannot be reached',
      ended: 'The connection ended; making a new one', drain: 'The server is being restarted; moving to another',
      busy: 'The server is busy', silent: 'The connection went silent; making a new one',
      clock: 'This device’s clock is wrong, so the server refuses its signatures',
      refused: 'The server refuses this account’s signature', unknown: 'The server does not know this account',
      proxy: 'A proxy between here and the server holds the live stream back (buffering). Messages are fetched every few seconds instead.',
    },
    retryIn: (s: number) => `next attempt in ${n(s, 'second', 'seconds')}`,
    retryNow: 'Try now',
    shared: 'shared with another tab',
  },

  chats: {
    heading: 'Chats', new: 'New chat', settings: 'Settings', lock: 'Lock',
    search: 'Search chats and messages', clear: 'Clear the search', found: 'Messages', noneFound: 'Nothing found on this device.',
    empty: 'No chats yet', emptyLead: 'Find somebody by their handle, and say hello.',
    own: 'Others find you by your handle:',
    pick: 'Your messages are here when you want them', pickLead: 'Pick a chat on the left, or start a new one.',
    unread: (c: number) => n(c, 'unread message', 'unread messages'),
    draft: 'Draft:', you: 'You:', listLabel: 'Your chats',
    unknownThread: 'Unverified', noMessages: 'No messages yet', self: 'Notes to yourself',
    groupOf: (c: number) => n(c, 'person', 'people'),
  },

  thread: {
    placeholder: (name: string) => `Message ${name}`,
    placeholderSelf: 'A note to yourself',
    send: 'Send', emoji: 'Emoji', info: 'Details', label: (name: string) => `Chat with ${name}`,
    today: 'Today', yesterday: 'Yesterday', newest: 'To the newest message',
    newBelow: (c: number) => n(c, 'new message', 'new messages'),
    unreadFrom: 'New',
    begin: (name: string) => `This is the beginning of your chat with ${name}.`,
    beginGroup: 'This is the beginning of the group.',
    beginSelf: 'Write down what you want to remember. It is on all your devices.',
    sealed: 'Only the people in this chat can read it.', sealedShort: 'End-to-end encrypted',
    pending: 'Sending', sent: 'Sent', failed: 'Not sent',
    why: {
      network: 'no connection', busy: 'the server is busy', limit: 'the server asks for a pause', clock: 'this device’s clock is wrong', gone: 'the recipient cannot be found',
      large: 'it is too long', key: 'a recipient’s key cannot be used',
      strange: 'a recipient has another key now; please check it first',
    } as Record<string, string>,
    retry: 'Retry', discard: 'Delete', actions: 'Message actions', copy: 'Copy text',
    tooLong: (over: number) => `${over.toLocaleString('en')} too long`,
    left: 'You are not in this group any more.',
    unknownReadOnly: 'These came without a name that could be checked. There is nobody to answer to.',
    newerKind: 'A message of a newer kind, which this version cannot show.',
    noHandle: 'This person has no handle that is known here.',
    you: 'You', moreText: 'Show more',
    written: (when: string) => `Written ${when}, by the sender’s clock`,
  },

  doubts: {
    gap: 'A message before this one did not arrive here.',
    restart: 'The sender began anew here: a new device, or something is missing before it.',
    relayed: 'Signed by its author, but delivered by somebody else.',
  },
  flaws: {
    forged: 'A message with a false signature',
    undecryptable: 'A message that cannot be decrypted',
    unreadable: 'A message in a form that is not known here',
    replayed: 'An old message was delivered once more',
    by: (h: string) => `It claims to come from @${h}.`,
    explain: {
      forged: 'It was not written by the person it names, or not for you. Its content is not shown.',
      undecryptable: 'It was not encrypted for the keys of this account, or it was damaged.',
      unreadable: 'It does not come from a kez-chat client of today.',
      replayed: 'Somebody on the way sent a copy of a message that you have already. Nothing was added to the chat.',
    },
  },
  notes: {
    created: (h: string) => `@${h} made the group`,
    createdByYou: 'You made the group',
    joined: 'You are in this group now',
    added: (handles: string[], own: string) => `${people(handles, own)} joined`,
    removed: (handles: string[], own: string) =>
      `${people(handles, own)} ${handles.length > 1 || handles[0] === own ? 'are' : 'is'} not in the group any more`,
    renamed: (title: string) => (title ? `The group is now called “${title}”` : 'The group has no name now'),
    changed: 'The group was changed',
    missed: (c: number) => `${n(c, 'message is', 'messages are')} not on the server any more, and never reached this device`,
  },

  newChat: {
    heading: 'New chat', person: 'Person', group: 'Group',
    handle: 'Handle', handlePlaceholder: 'alice', open: 'Start chatting',
    notFound: (h: string) => `Nobody is called @${h} here.`,
    known: 'People you know',
    members: 'Members', addMember: 'Add a handle', title: 'Name of the group', titlePlaceholder: 'Optional',
    create: 'Create the group', needMembers: 'Add at least one person.',
    removeMember: (h: string) => `Remove @${h}`,
  },

  group: {
    heading: 'Group', rename: 'Rename', title: 'Name of the group', members: (c: number) => n(c, 'member', 'members'),
    creator: 'made the group', you: 'you', add: 'Add a person', leave: 'Leave the group', unnamed: 'Group',
    leaveSure: 'Leave? Others will have to add you again.', removed: (h: string) => `Remove @${h} from the group`,
  },

  contact: {
    heading: 'Details', safety: 'Safety number',
    safetyLead: (h: string) => `Compare this with @${h}, side by side or in a call. If all twelve groups are the same, nobody is listening in.`,
    verify: 'Mark as verified', verified: 'Verified by you', unverify: 'Take the mark away',
    key: 'Public key', copySafety: 'Copy the number',
    verifiedShort: 'Verified',
  },

  keyChange: {
    old: (h: string) => `@${h} has a new key. This is the chat with the old one; nothing more can be sent here.`,
    openNew: 'Open the new chat',
    former: 'Old key', formerShort: 'old key', newShort: 'new key', unchecked: 'New key, not checked yet',
    closed: 'The key of this chat is no longer in use.', waiting: 'You can write here as soon as you have accepted the new key.',
    new: (h: string) => `The key of @${h} has changed. Either they lost their words and started anew, or somebody is posing as them. Ask them, and compare the safety number.`,
    accept: 'I asked: it is them', compare: 'Compare',
    group: (handles: string[]) => `The key of ${at(handles)} has changed. Please check before you write.`,
  },

  settings: {
    heading: 'Settings', account: 'Account', handle: 'Handle', server: 'Home server', key: 'Public key',
    look: 'Appearance', theme: 'Theme', themes: { system: 'Automatic', light: 'Light', dark: 'Dark' },
    notifications: 'Notifications', notify: 'Notify me of new messages when I am elsewhere',
    notifyDenied: 'The browser does not allow notifications for this page. You can change that in its settings for this site.',
    notifyPreview: 'Show what was written',
    lock: 'Lock', lockAfter: 'Lock when unused for', lockNow: 'Lock now',
    lockTimes: { 5: '5 minutes', 15: '15 minutes', 30: '30 minutes', 60: '1 hour', 480: '8 hours', 0: 'Never' } as Record<number, string>,
    showWords: 'Show my words', wordsLead: 'Your passphrase, please.',
    pass: 'Change the passphrase', passOld: 'Current passphrase', passNew: 'New passphrase', passChanged: 'The passphrase is changed.',
    install: 'Install the app', installLead: 'It opens in a window of its own.',
    erase: 'Erase this device', eraseLead: 'Takes your account and all messages off this device. With your words you can come back.',
    eraseSure: 'Yes, erase everything here',
    keys: 'Keyboard', shortcuts: [
      ['Ctrl K', 'Search'], ['Ctrl Alt N', 'New chat'], ['Alt ↑ / Alt ↓', 'Chat above or below'], ['Enter', 'Send'], ['Shift Enter', 'New line'],
      ['Esc', 'Close, or back to the chats'], ['Ctrl Alt L', 'Lock'],
    ] as [string, string][],
  },

  notification: {
    hidden: 'New message', inGroup: (who: string, text: string) => `${who}: ${text}`,
  },

  trouble: {
    insecure: 'This page needs a safe connection',
    insecureLead: 'Browsers give encryption only to pages that come by HTTPS, or from this very computer (localhost). Ask whoever runs the server for its https:// address.',
    blocked: 'The browser does not let this page keep anything',
    blockedLead: 'Your keys and messages have to be kept on this device. Allow storage for this site, or leave the private window, and load the page again.',
    full: 'This device is full: new messages are shown, but cannot be kept here. They stay on the server. What you write goes out; please leave this window open until it is sent.',
    fullSetup: 'This device is full, so your account cannot be kept here. Free some space, and try again; your words stay the same.',
    blockedNow: 'The browser does not let this page keep anything just now; new messages are shown, but not kept on this device. What you write goes out; please leave this window open until it is sent.',
    nameless: 'This server does not say its name, and nothing can be signed for it without. Perhaps it is older than this page; please tell whoever runs it.',
    otherServer: (name: string, mine: string) => `This is the server ${name}. Your account is one of ${mine}, and this server does not take its signatures.`,
    torn: 'A part of the app could not be loaded', tornLead: 'The server cannot be reached, or has a newer version of the app.', reload: 'Load the page again',
    clock: (minutes: number, isAhead: boolean) =>
      `This device’s clock is ${n(Math.max(1, minutes), 'minute', 'minutes')} ${isAhead ? 'ahead' : 'behind'}. The server takes signatures only from clocks that are right: please set it.`,
    server: 'The server cannot be reached. Is there a network?',
    busy: 'The server is busy. Please try again in a moment.',
    limit: 'That was a bit much for the server. Please wait a moment and try again.',
    clockShort: 'The server refuses the signature: this device’s clock seems to be wrong.',
    failed: (detail: string) => (detail ? `The server says: ${detail}` : 'The server could not do that.'),
    crash: 'Something went wrong. Your messages are safe; please load the page again.',
  },

  emoji: {
    heading: 'Emoji',
    groups: { faces: 'Faces', hands: 'Hands', hearts: 'Hearts', nature: 'Nature', food: 'Food', things: 'Things' },
  },
};

export type Texts = typeof en;
