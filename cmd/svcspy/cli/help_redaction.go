package cli

import "github.com/spf13/cobra"

func (a *App) RedactionTopic() *cobra.Command {
	return &cobra.Command{Use: "redaction", Short: "What recordings leave out, and what nobody can promise", Long: redactionHelp}
}

const redactionHelp = `Redaction takes secrets out before a recording reaches the disk, and more of them
before it is given away. A token such as ‹r:7f3a9c2b41d05e68:12› stands for what
was taken out: equal values in one kind of place have equal tokens, so that a
change stays visible, and the number is the length in bytes. The key is random
and stored nowhere. The recording says which policy was used; svcspy info counts
what each class of it replaced.

ALWAYS REPLACED
  data of Secrets; data of ConfigMaps (but see --configmap-values); copies of
  objects in annotations, such as last-applied-configuration.

record --redact shape (the default)
  In env, arguments, commands, paths and headers of probes, annotations,
  parameters, custom resources and messages a value stays only if its shape is
  harmless and its name is not that of a secret. Harmless are numbers, booleans,
  durations, quantities, times, ports, addresses, host names, images, paths,
  versions, words that Kubernetes and common programs use, and names of recorded
  objects. Of URLs, command lines, JSON and lists each part is judged. Where the
  syntax says that a value is a password (SQL, user:password, -p of a known
  program, a directive such as requirepass), even common words go. In all
  other places of built-in objects one word stays, and what the field is known to
  hold; everything else is judged. Names of objects, labels, images, states and
  times stay. A label under the name of a secret, or made by chance, becomes a
  token that is equal everywhere, so selectors still match. No diagnosis changes.
  record --dry-run counts what would be replaced in the cluster as it is now.

record --redact patterns
  Replaces there only what looks like a secret: keys of known services, values
  under names such as DB_PASSWORD, random strings. A password under a name that
  does not say so stays.

record --redact none
  Replaces nothing. Every command that opens such a file warns of it.

share --policy standard
  Puts everything through the policy shape, and takes out all values of env and
  flags, queries of URLs, long annotations and ids of cloud accounts.

share --policy strict
  Also takes out names of Secrets, nodes, hosts and private registries, IP
  addresses, all arguments and annotations, custom resources, and numbers of four
  digits and more in messages that do not say what they count.

WHAT NOBODY CAN PROMISE
  A secret that is a common word, a short number, or the name of an object stays
  where its name does not give it away. Names, labels and images stay, and so does
  a secret that somebody wrote into one. Lengths stay. What stays can say who you
  are. Read what you give away, and change a secret that has leaked.
`
