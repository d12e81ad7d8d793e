package importing

import (
	"fmt"
	"slices"
	"strings"

	"github.com/erpstream/erpstream/pkg/mapping/spec"
)

// scheme is the metadata (元数据) of one side: what is called, and with which parameters.
type scheme struct {
	file string
	root *node
	// api is the value that names the API.
	api *node
	// params are the parameters of request and its sisters, gaps the places where some are left out.
	params []param
	gaps   []spec.Pos
}

// param is one parameter: a field of the request.
type param struct {
	name string
	at   spec.Pos
	// typ is the type that the platform names: string, int, array, object.
	typ string
	// value is nil when the parameter has none: then it is not sent.
	value *node
	// children are those of an object or an array, gaps the places where some are left out.
	children []param
	gaps     []spec.Pos
	// assumed is set for a column that no parameter fills.
	assumed bool
	// extra are the keys of the parameter that are none of the above: parser, mapping.
	extra []member
}

// The keys of a metadata with parameters. Both sides write them in either form: a list of fields, or an
// object of names and values.
var requestKeys = []string{"request", "requestParams", "params", "otherRequest", "otherRequestParams"}

// readScheme reads the metadata of one side.
func readScheme(file string, data []byte) (*scheme, error) {
	root, err := parseJSON(file, data)
	if err != nil {
		return nil, err
	}
	if root.kind != kindObject {
		return nil, fault(file, root.at, "metadata is an object, {\"api\": …}, not "+root.kind.String())
	}
	s := &scheme{file: file, root: root, gaps: root.gaps()}
	s.api = root.get("api")
	if s.api != nil && s.api.kind != kindText {
		return nil, fault(file, s.api.at, fmt.Sprintf("api must be text, is %s", s.api.kind))
	}
	for _, m := range root.members {
		if !slices.Contains(requestKeys, m.key) {
			continue
		}
		params, gaps, err := s.readParams(m.value, m.key, 0)
		if err != nil {
			return nil, err
		}
		s.params = append(s.params, params...)
		s.gaps = append(s.gaps, gaps...)
	}
	return s, nil
}

// readParams reads parameters in either form.
func (s *scheme) readParams(n *node, path string, depth int) ([]param, []spec.Pos, error) {
	switch n.kind {
	case kindNull:
		return nil, nil, nil
	case kindElided:
		return nil, []spec.Pos{n.at}, nil
	case kindObject:
		return s.pairs(n, depth), n.gaps(), nil
	case kindList:
		return s.fields(n, path, depth)
	default:
		return nil, nil, fault(s.file, n.at, fmt.Sprintf("%s must be a list of fields, is %s", path, n.kind))
	}
}

// pairs reads parameters that are written as an object of names and values.
func (s *scheme) pairs(n *node, depth int) []param {
	var params []param
	for _, m := range n.members {
		if m.key == "" {
			continue
		}
		p := param{name: m.key, at: m.at, value: m.value}
		if m.value.kind == kindObject && depth == 0 && m.value.get("value") != nil {
			p = s.described(m.key, m.at, m.value)
		}
		params = append(params, p)
	}
	return params
}

// fields reads parameters that are written as a list of descriptions.
func (s *scheme) fields(n *node, path string, depth int) (params []param, gaps []spec.Pos, err error) {
	for _, item := range n.items {
		switch {
		case item.kind == kindElided:
			gaps = append(gaps, item.at)
			continue
		case item.kind != kindObject:
			return nil, nil, fault(s.file, item.at, fmt.Sprintf("an element of %s must be an object, {\"field\": …}, not %s", path, item.kind))
		}
		name := item.get("field")
		if name.scalar() == "" {
			if len(item.gaps()) > 0 {
				gaps = append(gaps, item.at)
				continue
			}
			return nil, nil, fault(s.file, item.at, fmt.Sprintf("an element of %s has no \"field\", the name of a parameter", path))
		}
		p := s.described(name.scalar(), item.at, item)
		if children := item.get("children"); children != nil {
			p.children, p.gaps, err = s.readParams(children, path+"."+p.name, depth+1)
			if err != nil {
				return nil, nil, err
			}
		}
		if p.value == nil && p.children == nil && len(p.gaps) == 0 && len(item.gaps()) > 0 {
			p.value = &node{kind: kindElided, at: item.gaps()[0]}
		}
		params = append(params, p)
	}
	return params, gaps, nil
}

// described reads a description: {"field": …, "type": …, "value": …}.
func (s *scheme) described(name string, at spec.Pos, n *node) param {
	p := param{name: name, at: at, typ: strings.ToLower(n.get("type").scalar()), value: n.get("value")}
	if p.value.scalar() == "" && p.value != nil && p.value.kind == kindText {
		p.value = nil // an empty value is not sent
	}
	for _, m := range n.members {
		meant := m.value.kind != kindNull && m.value.scalar() != "" || len(m.value.items)+len(m.value.members) > 0
		if (m.key == "parser" || m.key == "mapping" || m.key == "format") && meant {
			p.extra = append(p.extra, m)
		}
	}
	return p
}

// find returns a parameter by its name.
func (s *scheme) find(name string) (param, bool) {
	i := slices.IndexFunc(s.params, func(p param) bool { return p.name == name })
	if i < 0 {
		return param{}, false
	}
	return s.params[i], true
}
