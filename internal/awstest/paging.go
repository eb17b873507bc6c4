package awstest

import "time"

const (
	tokenLifetime = time.Hour
	maxTokens     = 1000 // beyond which the oldest is forgotten
)

// pageToken is what a NextToken stands for. A token can be used again, as a
// client must that never saw the answer.
type pageToken struct {
	place   place
	query   string
	rest    []*Instance // what the next pages tell of, in their order
	page    int         // the page that the token asks for; the first is 1
	expires time.Time
}

// pageTokens are the tokens given out and not yet forgotten.
type pageTokens struct {
	byName map[string]pageToken
	names  []string // oldest first, which is also the first to expire
}

// add remembers a token under a new name and returns the name.
func (p *pageTokens) add(name string, t pageToken, now time.Time) string {
	for len(p.names) > 0 && (len(p.names) >= maxTokens || !now.Before(p.byName[p.names[0]].expires)) {
		delete(p.byName, p.names[0])
		p.names = p.names[1:]
	}
	if p.byName == nil {
		p.byName = make(map[string]pageToken)
	}
	t.expires = now.Add(tokenLifetime)
	p.byName[name] = t
	p.names = append(p.names, name)
	return name
}

// get returns the token of that name, if it is for the place and query of want.
func (p *pageTokens) get(name string, want pageToken, now time.Time) (pageToken, error) {
	t, ok := p.byName[name]
	if !ok || !now.Before(t.expires) || t.place != want.place || t.query != want.query {
		return pageToken{}, invalid("InvalidParameterValue",
			"Value ( %s ) for parameter NextToken is invalid. The token is invalid.", name)
	}
	return t, nil
}
