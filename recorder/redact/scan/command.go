package scan

import (
	"regexp"
	"strings"
)

// What programs are called with, where no name says that a value is a secret.
var (
	// statements are those of SQL that set a password.
	statements = expression(`(?i)\b(?:password|identified\s+by|password\s+from)\s+(?:'([^'…]{4,})'|"([^"…]{4,})")`)
	// directives are settings, divided from their value by white space.
	directives = expression(`(?i)\b(?:requirepass|masterauth|insecure-password|default_pass|rocommunity|rwcommunity|storepass|keypass|setcookie|PSK)["']?[\s:=<"']+([^\s"'<>…]{4,})`)
	// logins are a user and a password behind one flag.
	logins = expression(`(?:^|\s)(?:-u|-U|--user|--basic-auth-user)[\s=]+["']?[\w.@\\-]+[:%]([^\s"'…]{4,})|\b[a-z]\w*/([^\s/@"'…]{4,})@(?://)?[\w.-]+:[0-9]{1,5}\b`)
	// glued are passwords that follow their flag at once.
	glued = expression(`\b(?:mysql|mariadb)\w*\b[^|;&\n]{0,120}?\s-p["']?([^\s"'…-][^\s"'…]{3,})`)
	// shorts are programs whose flag of one letter takes a password.
	shorts = expression(`\b(?:(?:sshpass|docker login|az login|cypher-shell|mongo\w*)\b[^|;&\n]{0,120}?\s-p|redis-cli\b[^|;&\n]{0,120}?\s-a|ldap\w+\b[^|;&\n]{0,120}?\s-w|(?:sqlcmd|ipmitool|zip)\b[^|;&\n]{0,120}?\s-P|openssl\b[^|;&\n]{0,120}?\s-k)\s+["']?([^\s"'…-][^\s"'…]{3,})`)
)

// command looks at the words of a command, or at a script.
func command(text string, note func(finding)) {
	for _, kind := range []struct {
		what    string
		pattern func() *regexp.Regexp
	}{
		{"password in a statement", statements},
		{"value of a setting for a secret", directives},
		{"user and password", logins},
		{"password of a command", glued},
		{"password of a command", shorts},
	} {
		for _, m := range kind.pattern().FindAllStringSubmatch(text, 64) {
			if value := strings.Join(m[1:], ""); valued(value) && strings.Trim(value, "0123456789") != "" {
				note(finding{kind.what, value})
			}
		}
	}
	for _, m := range flags().FindAllStringSubmatch(text, 64) {
		if secretName(m[1]) && !reference(m[1]) && valued(m[2]) {
			note(finding{"value of a flag with the name of a secret", m[2]})
		}
	}
}
