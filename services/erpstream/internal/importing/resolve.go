package importing

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/mapping/spec"
	"github.com/erpstream/erpstream/proto/contract"
)

// scene is what 奇门 may have before the name of a method.
var scene = regexp.MustCompile(`^[a-z0-9]{10}\.wdt\.`)

// method returns the name of an API in the one form that all of its spellings have: the platform names
// 旺店通's as 奇门 does, wdt.stockin.order.query for stockin_order_query.
func apiMethod(name string) string {
	name = strings.Trim(strings.ToLower(strings.TrimSpace(name)), "/")
	name = strings.TrimPrefix(scene.ReplaceAllString(name, "wdt."), "wdt.")
	if strings.Contains(name, "/") {
		return name
	}
	return strings.ReplaceAll(strings.TrimSuffix(name, ".php"), "_", ".")
}

// findFeed returns the feed that the source side asks.
func findFeed(s *scheme, name string) (feed.Feed, error) {
	if name != "" {
		return feed.Get(name)
	}
	if s.api.scalar() == "" {
		return feed.Feed{}, s.wanting("names no api: say with --feed which feed it is")
	}
	var found []feed.Feed
	var methods, names []string
	for _, name := range feed.Names() {
		f, err := feed.Get(name)
		if err != nil {
			return feed.Feed{}, err
		}
		methods, names = append(methods, apiMethod(f.Path)), append(names, name)
		if apiMethod(f.Path) == apiMethod(s.api.text) {
			found = append(found, f)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		hint := ""
		if i := slices.Index(methods, spec.Suggest(apiMethod(s.api.text), methods)); i >= 0 {
			hint = ", perhaps " + names[i]
		}
		return feed.Feed{}, s.wanting("no feed reads the api %q: say with --feed which it is%s, or add a descriptor", shorten(s.api.text), hint)
	default:
		return feed.Feed{}, s.wanting("several feeds read the api %q: say with --feed which it is, %s or %s", shorten(s.api.text), found[0].Name, found[1].Name)
	}
}

// findMessage returns the message that stands for what the target side writes.
func findMessage(s *scheme, name string) (protoreflect.MessageDescriptor, error) {
	if name != "" {
		mt, err := contract.Message(name)
		if err != nil {
			return nil, err
		}
		return mt.Descriptor(), nil
	}
	table := readStatement(s).table
	api := strings.ToLower(strings.Trim(s.api.scalar(), "/"))
	for _, name := range contract.Names() {
		mt, err := contract.Message(name)
		if err != nil {
			return nil, err
		}
		md := mt.Descriptor()
		if t := contract.Table(md); t != nil && table != "" && strings.EqualFold(t.GetName(), table) {
			return md, nil
		}
		endpoint := strings.ToLower(strings.Trim(contract.Document(md).GetEndpoint(), "/"))
		if endpoint != "" && (api == endpoint || strings.HasPrefix(api, endpoint+"/")) {
			return md, nil
		}
	}
	switch {
	case table != "":
		return nil, s.wanting("no message is for the table %s: say with --message which it is, or add a .proto; there are %s", table, strings.Join(contract.Names(), ", "))
	case api == "":
		return nil, s.wanting("names no api: say with --message what is written; there are %s", strings.Join(contract.Names(), ", "))
	default:
		return nil, s.wanting("no message is for the api %q: say with --message which it is, or add a .proto; there are %s",
			shorten(s.api.text), strings.Join(contract.Names(), ", "))
	}
}

// systemOf returns the system that a message is for, which its package names.
func systemOf(md protoreflect.MessageDescriptor) string {
	parts := strings.Split(string(md.ParentFile().Package()), ".")
	return parts[min(1, len(parts)-1)]
}

// The collections of master data that the fields of the targets name, where the platform does not say.
var usualCollections = map[string]string{
	"kingdee material_id": "kingdee.material", "kingdee unit_id": "kingdee.material", "kingdee stock_id": "kingdee.store",
	"kingdee customer_id": "kingdee.customer", "kingdee emp_id": "kingdee.emp", "kingdee saler_id": "kingdee.emp",
	"kingdee dept_id": "kingdee.department", "kingdee sale_dept_id": "kingdee.department",
	"kis fitemid": "kis.material", "kis funitid": "kis.material", "kis fdcstockid": "kis.stock", "kis fdeptid": "kis.department",
	"kis fempid": "kis.employee", "kis ffmanagerid": "kis.employee", "kis fsmanagerid": "kis.employee", "kis fsupplyid": "kis.vendor",
}

// collection returns the collection that a look-up asks. One that nobody named is a guess, and said so
// at the field.
func (im *importer) collection(q query) (string, error) {
	name := cmp.Or(im.opts.Collections[q.scheme], im.opts.Collections[q.target])
	if name == "" {
		name = im.likelyCollection(q)
	}
	if name == "" {
		return "", &unknownCollection{q}
	}
	if !collectionName.MatchString(name) {
		return "", fmt.Errorf("%q is no name of a collection: those are such as kingdee.material", name)
	}
	for _, field := range []string{q.key, q.find} {
		if !slices.Contains(im.uses[name], field) {
			im.uses[name] = append(im.uses[name], field)
		}
	}
	return name, nil
}

var collectionName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,20}(\.[a-z][a-z0-9-]{0,20})?$`)

// named reports whether the user said which collection a look-up asks.
func (im *importer) named(q query) bool {
	return im.opts.Collections[q.scheme] != "" || im.opts.Collections[q.target] != ""
}

// unknownCollection is a look-up in nobody knows what.
type unknownCollection struct{ query }

func (e *unknownCollection) Error() string {
	key := cmp.Or(e.scheme, e.target)
	return "which master data it looks up is not said: say so with --collection " + key + "=COLLECTION, such as kingdee.material"
}

// likelyCollection is the only collection there is that keeps both fields, else the one that is usual
// for the field of the target.
func (im *importer) likelyCollection(q query) string {
	usual := usualCollections[im.system+" "+strings.ToLower(q.target)]
	var found []string
	for name, kept := range im.kept() {
		if slices.Contains(kept, q.key) && slices.Contains(kept, q.find) {
			found = append(found, name)
		}
	}
	if len(found) == 1 && (usual == "" || usual == found[0]) {
		return found[0]
	}
	return usual
}

// kept returns the fields that the given flows keep of the target's master data, by collection.
func (im *importer) kept() map[string][]string {
	kept := map[string][]string{}
	for _, f := range im.opts.With.Flows {
		if f.Target.Kind != kindReference || f.Target.Connection != im.opts.TargetConnection {
			continue
		}
		name := cmp.Or(f.Target.Options["collection"], im.opts.With.Sources[f.From].Feed)
		kept[name] = append(kept[name], "id")
		for _, field := range f.Spec.Fields {
			if field.Name != "fields" {
				continue
			}
			for _, pair := range field.Fields {
				kept[name] = append(kept[name], pair.Name)
			}
		}
	}
	return kept
}

// kindReference is the target of flows that keep master data.
const kindReference = "reference"

// lacking returns the fields that no given flow keeps of a collection.
func (im *importer) lacking(collection string, fields []string) []string {
	kept := im.kept()[collection]
	return slices.DeleteFunc(slices.Clone(fields), func(f string) bool { return slices.Contains(kept, f) })
}
