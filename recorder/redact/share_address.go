package redact

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"net/netip"
	"slices"
)

// addresses replaces every IP address and CIDR in a text.
func (s *Share) addresses(text []byte) []byte {
	var out []byte
	copied := 0
	for i := 0; i < len(text); {
		if n := tokenLen(text[i:]); n > 0 {
			i += n
			continue
		}
		if !addressByte(text[i]) || i > 0 && wordByte(text[i-1]) {
			i++
			continue
		}
		end := i
		for end < len(text) && addressByte(text[end]) {
			end++
		}
		if end < len(text) && wordByte(text[end]) {
			i = end + 1
			continue
		}
		whole := end
		for end > i && (text[end-1] == '.' || text[end-1] == ':' && (end-i < 2 || text[end-2] != ':')) {
			end--
		}
		if with, n := s.names.addressAt(text[i:], end-i); n > 0 {
			out = append(append(out, text[copied:i]...), with...)
			copied, i = i+n, i+n
			s.counts[shareAddress]++
			continue
		}
		i = max(whole, i+1)
	}
	if copied == 0 {
		return text
	}
	return append(out, text[copied:]...)
}

func addressByte(b byte) bool {
	return isDigit(b) || 'a' <= b && b <= 'f' || 'A' <= b && b <= 'F' || b == '.' || b == ':'
}

func wordByte(b byte) bool { return isAlnum(b) || b == '_' || b == '-' || b >= 0x80 }

// addressAt returns what stands for the address whose first bytes are given,
// and how long that is in the text, a port or the length of a prefix included;
// 0 if it is none, or one that stays.
func (p *pseudonyms) addressAt(text []byte, length int) (with string, n int) {
	word := string(text[:length])
	if a, err := netip.ParseAddr(word); err == nil {
		digits := length
		if digits < len(text) && text[digits] == '/' {
			for digits++; digits < len(text) && isDigit(text[digits]); digits++ {
			}
			if prefix, err := netip.ParsePrefix(string(text[:digits])); err == nil {
				if mapped := p.prefix(prefix); mapped != prefix {
					return mapped.String(), digits
				}
				return "", 0
			}
		}
		if mapped := p.address(a); mapped != a {
			return mapped.String(), length
		}
		return "", 0
	}
	if colon := bytes.LastIndexByte(text[:length], ':'); colon > 0 { // a port
		if a, err := netip.ParseAddr(word[:colon]); err == nil && a.Is4() {
			if mapped := p.address(a); mapped != a {
				return mapped.String(), colon
			}
		}
	}
	return "", 0
}

// classes are ranges whose addresses stay in them: they say what an address is
// for, and nothing about whose it is.
var classes = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("fc00::/8"), netip.MustParsePrefix("fd00::/8"),
}

var (
	// all other addresses become ones that are nobody's: reserved (RFC 1112)
	// and for documentation (RFC 3849).
	nobodys4 = netip.MustParsePrefix("240.0.0.0/4")
	nobodys6 = netip.MustParsePrefix("2001:db8::/32")
)

// address returns what stands for an address: one of the same family, which has
// the first n bits in common with that for another address if the two have. So
// what lies in a CIDR still does.
func (p *pseudonyms) address(a netip.Addr) netip.Addr {
	if a.Is4In6() || a.Zone() != "" || a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() || a.IsLinkLocalUnicast() {
		return a
	}
	if known, ok := p.addresses[a]; ok {
		return known
	}
	from, into := 0, a
	if class, ok := classOf(a); ok {
		from = class.Bits()
	} else if a.Is4() {
		from, into = nobodys4.Bits(), nobodys4.Addr()
	} else {
		from, into = nobodys6.Bits(), nobodys6.Addr()
	}
	bits := a.AsSlice()
	out := into.AsSlice()
	for i := from; i < len(bits)*8; i++ {
		set(out, i, get(bits, i) != p.flip(bits, i))
	}
	mapped, _ := netip.AddrFromSlice(out)
	p.addresses[a] = mapped
	return mapped
}

// prefix does the same with a CIDR. One that is wider than a class, or than /8,
// says little and stays.
func (p *pseudonyms) prefix(c netip.Prefix) netip.Prefix {
	a := c.Addr()
	wide := slices.ContainsFunc(classes, func(class netip.Prefix) bool { return c.Bits() <= class.Bits() && c.Contains(class.Addr()) })
	if _, ok := classOf(a); wide || !ok && c.Bits() <= 8 {
		return c
	}
	mapped := netip.PrefixFrom(p.address(a), c.Bits())
	if c.Masked() == c {
		mapped = mapped.Masked()
	}
	return mapped
}

func classOf(a netip.Addr) (netip.Prefix, bool) {
	for _, c := range classes {
		if c.Contains(a) {
			return c, true
		}
	}
	return netip.Prefix{}, false
}

// flip decides from the bits before the i-th whether that is turned over.
func (p *pseudonyms) flip(bits []byte, i int) bool {
	head := bytes.Clone(bits[:i/8+1])
	head[i/8] &= ^byte(0xff >> (i % 8))
	mac := hmac.New(sha256.New, p.gateA.key[:])
	mac.Write([]byte{'i', 'p', byte(len(bits)), byte(i)})
	mac.Write(head)
	return mac.Sum(nil)[0]&1 == 1
}

func get(bits []byte, i int) bool { return bits[i/8]>>(7-i%8)&1 == 1 }

func set(bits []byte, i int, on bool) {
	bits[i/8] &^= 1 << (7 - i%8)
	if on {
		bits[i/8] |= 1 << (7 - i%8)
	}
}
