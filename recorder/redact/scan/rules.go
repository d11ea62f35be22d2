package scan

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/viper"
	"github.com/zricethezav/gitleaks/v8/config"
)

// ruleSet are the rules of gitleaks.
//
// They were chosen because they are kept: 222 of them for hundreds of services,
// with what in code and settings looks like a secret and is none. Only its
// package config is used, which holds the rules: its detector brings Git, archives
// and a logger, and looks at files. trufflehog has more rules, asks the services
// whether a secret is valid, and has a licence that would bind svcspy; the rules of
// detect-secrets and secretlint are programs in other languages.
type ruleSet struct {
	rules  []config.Rule
	global []*config.Allowlist
}

// rules returns the rules; they are compiled once.
var rules = sync.OnceValue(func() *ruleSet {
	v := viper.New()
	v.SetConfigType("toml")
	var text config.ViperConfig
	if err := v.ReadConfig(strings.NewReader(config.DefaultConfig)); err != nil {
		panic("the rules of gitleaks cannot be read: " + err.Error()) // they are part of the program
	}
	if err := v.Unmarshal(&text); err != nil {
		panic("the rules of gitleaks cannot be read: " + err.Error())
	}
	c, err := text.Translate()
	if err != nil {
		panic("the rules of gitleaks cannot be read: " + err.Error())
	}
	set := &ruleSet{global: c.Allowlists}
	for _, id := range slices.Sorted(maps.Keys(c.Rules)) {
		if r := c.Rules[id]; r.Regex != nil && !ours[id] {
			set.rules = append(set.rules, r)
		}
	}
	return set
})

// ours are rules of gitleaks for what Kubernetes' objects are full of, which
// lines.go looks at with the names they have there.
var ours = map[string]bool{"generic-api-key": true, "kubernetes-secret-yaml": true, "private-key": true}

// match returns what the rules find in a text.
func (set *ruleSet) match(text string) []finding {
	folded := strings.ToLower(text)
	var all []finding
	for i := range set.rules {
		r := &set.rules[i]
		if len(r.Keywords) > 0 && !slices.ContainsFunc(r.Keywords, func(k string) bool { return strings.Contains(folded, strings.ToLower(k)) }) {
			continue
		}
		for _, m := range r.Regex.FindAllStringSubmatch(text, 16) {
			if secret := secretOf(r, m); secret != "" && !set.allowed(r, m[0], secret, text) {
				all = append(all, finding{strings.ReplaceAll(r.RuleID, "-", " "), secret})
			}
		}
	}
	return all
}

// secretOf returns the secret in a match, "" if it is not random enough.
func secretOf(r *config.Rule, match []string) string {
	secret := match[0]
	if r.SecretGroup > 0 && r.SecretGroup < len(match) {
		secret = match[r.SecretGroup]
	} else {
		for _, group := range match[1:] {
			if group != "" {
				secret = group
				break
			}
		}
	}
	if r.Entropy > 0 && entropy(secret) <= r.Entropy {
		return ""
	}
	return secret
}

func (set *ruleSet) allowed(r *config.Rule, match, secret, line string) bool {
	for _, list := range slices.Concat(set.global, r.Allowlists) {
		if len(list.Paths) > 0 && len(list.Regexes) == 0 && len(list.StopWords) == 0 {
			continue
		}
		target := secret
		switch list.RegexTarget {
		case "match":
			target = match
		case "line":
			target = line
		}
		if slices.ContainsFunc(list.Regexes, func(re *regexp.Regexp) bool { return re.MatchString(target) }) {
			return true
		}
		folded := strings.ToLower(secret)
		if slices.ContainsFunc(list.StopWords, func(w string) bool { return strings.Contains(folded, strings.ToLower(w)) }) {
			return true
		}
	}
	return false
}
