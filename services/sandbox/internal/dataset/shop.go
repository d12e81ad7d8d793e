package dataset

import (
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/world"
)

// Enabled and Disabled are the statuses of a Shop.
const (
	Enabled  = "enabled"
	Disabled = "disabled"
)

// Shop is a shop as Jushuitan knows it. What it says of itself is text, as the vendor shows it.
type Shop struct {
	ShopID int64 `json:"shop_id"`
	// Edition grows with every edit of any shop; the vendor keeps it to itself.
	Edition        int64   `json:"edition"`
	Status         string  `json:"status"`
	Name           string  `json:"shop_name"`
	CoID           int64   `json:"co_id"`
	Site           string  `json:"shop_site"`
	URL            *string `json:"shop_url"`
	Created        *string `json:"created"`
	Nick           string  `json:"nick"`
	SessionExpired *string `json:"session_expired"`
	SessionUID     *string `json:"session_uid"`
	ShortName      *string `json:"short_name"`
	// HasGroup tells whether the vendor shows the group at all.
	HasGroup     bool    `json:"has_group"`
	GroupID      *int64  `json:"group_id"`
	GroupName    *string `json:"group_name"`
	Organization *string `json:"organization"`
}

// Key returns the shop's number.
func (s *Shop) Key() int64 { return s.ShopID }

// Version returns the edition.
func (s *Shop) Version() int64 { return s.Edition }

// Lines yields nothing: a shop has no lines.
func (s *Shop) Lines() iter.Seq2[int64, Quantity] { return func(func(int64, Quantity) bool) {} }

// chanceOfShops is what the chance of shops differs by from that of purchase receipts.
const chanceOfShops = 0x73686f7073

// shops makes and edits shops.
type shops struct{ Params }

// Shops makes the shops of a World, all enabled.
func Shops(p Params, w *world.World) Kind[*Shop] {
	s := shops{p.of(chanceOfShops)}
	all := make([]*Shop, len(w.Shops))
	for i, shop := range w.Shops {
		all[i] = s.shop(i, shop)
	}
	return Kind[*Shop]{Name: "shops", Seed: s.Seed, Documents: all, Edit: s.edit}
}

func (s shops) shop(i int, w world.Shop) *Shop {
	d := dice{s.rand(choiceOfDocument, uint64(i))}
	opened := s.Anchor.In(Shanghai).Add(-time.Duration(1+d.IntN(4*365*24*3600)) * time.Second)
	shop := &Shop{
		ShopID: w.ID, Edition: int64(i + 1), Status: Enabled, Name: w.Name, CoID: 12252, Site: w.Site,
		URL:            d.text(0.2, fmt.Sprintf("https://shop%d.example.com", w.ID)),
		Created:        d.text(0.95, fmt.Sprintf("%s.%03d", opened.Format(time.DateTime), d.IntN(1000))),
		Nick:           fmt.Sprintf("self_%d", 5_018_390_000_000_000_001+int64(i)),
		SessionExpired: d.text(0.9, pick(d, []string{"------永久授权------", s.Anchor.In(Shanghai).AddDate(1, 0, 0).Format(time.DateTime)})),
		SessionUID:     maybe(d, 0.8, fmt.Sprintf("402054%07d", i+1)),
		ShortName:      d.text(0.3, w.Name),
		HasGroup:       d.chance(0.9),
		Organization:   d.text(0.1, "华东事业部"),
	}
	if d.chance(0.8) {
		shop.GroupID, shop.GroupName = new(int64(700+d.IntN(9))), new(w.Site+"组")
	}
	return shop
}

// renamed is what stands between the name of a shop and the number of its last renaming.
const renamed = "·改"

// edit returns a changed copy of shop. If the change says nothing, the shop gets another name, now
// and then it is disabled, and one that is disabled is enabled again.
func (s shops) edit(shop *Shop, e Edit) (*Shop, error) {
	if e.AddLine || e.RemoveLine || e.ModifiedAgo != 0 {
		return nil, fmt.Errorf("%w: a shop has a name and a status only", ErrChange)
	}
	if e.Status != "" && e.Status != Enabled && e.Status != Disabled {
		return nil, fmt.Errorf("%w: status %q of a shop, want %s or %s", ErrChange, e.Status, Enabled, Disabled)
	}
	d, c := dice{s.rand(choiceOfEdit, e.Number)}, *shop
	c.Edition = e.Version
	switch {
	case e.Name != "" || e.Status != "":
		if e.Name != "" {
			c.Name = e.Name
		}
		if e.Status != "" {
			c.Status = e.Status
		}
	case shop.Status == Disabled:
		c.Status = Enabled
	case d.chance(0.2):
		c.Status = Disabled
	default:
		name, _, _ := strings.Cut(shop.Name, renamed)
		c.Name = fmt.Sprintf("%s%s%d", name, renamed, e.Number)
	}
	return &c, nil
}
