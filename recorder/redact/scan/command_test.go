package scan

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// TestCommands: a password is found where only the program or the statement says
// that it is one, and nothing where neither does.
func TestCommands(t *testing.T) {
	for text, secret := range map[string]string{
		`mysqldump -h db -uroot -phunter2-x shop`:         "hunter2-x",
		`sshpass -p hunter2-x ssh a@b`:                    "hunter2-x",
		`redis-cli -h r -p 6379 -a hunter2-x ping`:        "hunter2-x",
		`ALTER ROLE app WITH PASSWORD 'hunter2-x'`:        "hunter2-x",
		`CREATE USER a IDENTIFIED BY "hunter2-x"`:         "hunter2-x",
		`curl -sS -u ci:hunter2-x https://example.com`:    "ci:hunter2-x", // by a rule of gitleaks
		`requirepass hunter2-x`:                           "hunter2-x",
		`sqlplus system/hunter2-x@//oracle:1521/X`:        "hunter2-x",
		`{"url":"jdbc:x://db/x?user=a&password=abcdef1"}`: "abcdef1",

		`redis-cli -p 6379 ping`:                               "",
		`docker run -p 8080:80 -u 1000:1000 app`:               "",
		`references non-existent secret key: "password"`:       "",
		`ALTER ROLE app PASSWORD '‹r:7f3a9c2b41d05e68:12›'`:    "",
		`app/web@sha256:12345abcde`:                            "",
		`mysql -u root -p"$MYSQL_ROOT_PASSWORD" -e "SELECT 1"`: "",
	} {
		s, found := New(), ""
		for _, f := range s.look("", text, false) {
			found = f.secret
		}
		if found != secret {
			t.Errorf("%s: found %q, want %q", text, found, secret)
		}
	}
}

// TestArguments: the words of a command are looked at together.
func TestArguments(t *testing.T) {
	for args, n := range map[string]int{
		`["redis-cli","-a","hunter2-x","ping"]`: 1,
		`["app","--pw","hunter2-x"]`:            1,
		`["app","--password=hunter2-x"]`:        1,
		`["mysql","-uroot","-phunter2-x"]`:      1,
		`["app","--port","8080","-p","9090"]`:   0,
		`["sh","-c","echo ok"]`:                 0,
	} {
		text := fmt.Sprintf(`{"spec":{"containers":[{"args":%s}]}}`, args)
		leaks, err := New().Object(schema.GroupVersionResource{Resource: "pods"}, []byte(text))
		if err != nil || len(leaks) != n {
			t.Errorf("%s: %+v, %v; want %d", args, leaks, err, n)
		}
	}
}
