package redact

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// toldTexts are texts whose syntax says that PASS is a password, whatever it looks
// like. People choose words.
var toldTexts = []string{
	`curl --user app:PASS https://example.com`,
	`0 3 * * * curl -u app:PASS https://example.com`,
	`curl -sS -u "app:PASS" https://example.com`,
	`redis-cli -a PASS ping`,
	`mysql -h db -u root -p'PASS' -e "SELECT 1"`,
	`ALTER USER app PASSWORD 'PASS'`,
	`GRANT ALL ON *.* TO 'app'@'%' IDENTIFIED BY 'PASS'`,
	`psql -c "ALTER ROLE app WITH ENCRYPTED PASSWORD 'PASS' VALID UNTIL 'infinity'"`,
	`ALTER CURRENT USER SET PASSWORD FROM 'PASS' TO 'PASS'`,
	"port 6379\nrequirepass PASS\nmasterauth PASS\nuser app on >PASS ~* +@all",
	`10.0.0.1 10.0.0.2 : PSK "PASS"`,
	"default_user = app\ndefault_pass = PASS",
	`cache_peer p parent 3128 0 login=app:PASS`,
	`db:5432:shop:app:PASS`,
	`npm config set //npm.example.com/:_authToken PASS`,
	`kubectl create secret generic x --from-literal=a=PASS --from-literal b=PASS`,
	`sqlplus system/PASS@//oracle:1521/X`,
	`<server><password>PASS</password></server>`,
	`postgres://app:PASS@db/x`,
	`jdbc:postgresql://db/x?user=app&password=PASS`,
	`{"user":"app","password":"PASS"}`,
	`the password is PASS`,
}

// toldMessages are messages in which PASS is a password by the words around it.
var toldMessages = []string{
	`Readiness probe failed: command "redis-cli -a PASS ping" timed out`,
	`runc create failed: exec: "--db-pass PASS": executable file not found in $PATH`,
	`retry with user app and password PASS`,
	`last words: my pass is PASS`,
	`ERROR 1045: Access denied [<password>PASS</password>] pw=PASS`,
	`env [PATH=/usr/bin PGPASSWORD=PASS TOK=PASS]: not found`,
	`curl -u app:PASS https://example.com failed`,
}

// TestToldPasswords: where the syntax says that something is a password it goes,
// even if it is made of words that stay everywhere else.
func TestToldPasswords(t *testing.T) {
	for _, pass := range []string{"Change-manager7", "storageAdmin42", "Server_access1", "network-limit-2"} {
		objects := []string{}
		add := func(form, text string) {
			text = strings.NewReplacer("PGPASSWORD", "PGPASSWORD", "PASSWORD", "PASSWORD", "PASS", pass).Replace(text)
			b, err := json.Marshal(text)
			if err != nil {
				t.Fatal(err)
			}
			objects = append(objects, strings.ReplaceAll(form, "TEXT", string(b)))
		}
		for _, text := range toldTexts {
			add(`{"spec":{"containers":[{"env":[{"name":"X","value":TEXT}],"args":["-c",TEXT]}]}}`, text)
		}
		for _, text := range toldMessages {
			add(`{"message":TEXT}`, text)
		}
		for _, args := range []string{`["app","-u","app:PASS"]`, `["--user","app:PASS"]`, `["--pw","PASS"]`, `["redis-cli","-a","PASS"]`, `["-setcookie","PASS"]`} {
			objects = append(objects, fmt.Sprintf(`{"spec":{"containers":[{"args":%s}]}}`, strings.ReplaceAll(args, "PASS", pass)))
		}
		for _, object := range objects {
			out, err := fixed().Object(nil, pods, []byte(object))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(out), pass) {
				t.Errorf("%s stays: %s", pass, out)
			}
		}
	}
}
