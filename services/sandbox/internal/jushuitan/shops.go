package jushuitan

import (
	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
)

// ShopsQuery is the path that shops are read from; its limits follow.
const (
	ShopsQuery = "/open/shops/query"

	shopsPageSize    = 100
	shopsMaxPageSize = 100
)

// offline is the pseudo shop of all trade that no shop has. It is not among the shops of a Store:
// nobody can edit it.
var offline = &dataset.Shop{Name: "{线下}", Status: dataset.Enabled, URL: new("")}

// shopsQuery serves the shops that are enabled, by ascending number. They have no time of change
// and no totals, so a shop that is disabled just disappears.
func (s *Server) shopsQuery(c *call) (any, error) {
	p, err := s.settings.paging(c.biz, shopsPageSize, shopsMaxPageSize)
	if err != nil {
		return nil, err
	}
	p.totals = never
	ids, err := c.biz.integers("shop_ids", 0)
	if err != nil {
		return nil, err
	}
	nicks, err := c.biz.texts("nicks", 0)
	if err != nil {
		return nil, err
	}
	var rows []*dataset.Shop
	for _, shop := range s.VisibleShops() {
		if among(ids, shop.ShopID) && (nicks == nil || named(shop, nicks)) {
			rows = append(rows, shop)
		}
	}
	return servePage(s, c, s.shops, p, rows, s.ShopRow)
}

// VisibleShops returns the shops that the vendor shows, by ascending number.
func (s *Server) VisibleShops() []*dataset.Shop {
	visible := []*dataset.Shop{offline}
	for _, shop := range s.shops.store.Documents() {
		if shop.Status == dataset.Enabled {
			visible = append(visible, shop)
		}
	}
	return visible
}

// named tells whether the main account or the short name of shop is one of nicks.
func named(shop *dataset.Shop, nicks []string) bool {
	return shop.Nick != "" && among(nicks, shop.Nick) || shop.ShortName != nil && among(nicks, *shop.ShortName)
}

// shopRow is a shop as the vendor writes it. The group is left out where it is nil.
type shopRow struct {
	Nick           *string `json:"nick"`
	ShopID         int64   `json:"shop_id"`
	SessionExpired *string `json:"session_expired"`
	Created        *string `json:"created"`
	ShopURL        *string `json:"shop_url"`
	Organization   *string `json:"organization"`
	CoID           int64   `json:"co_id"`
	SessionUID     *string `json:"session_uid"`
	ShortName      *string `json:"short_name"`
	ShopSite       *string `json:"shop_site"`
	ShopName       string  `json:"shop_name"`
	*shopGroup
}

type shopGroup struct {
	GroupID   *int64  `json:"group_id"`
	GroupName *string `json:"group_name"`
}

// ShopRow returns a shop as the vendor writes it, to be encoded as JSON.
func (s *Server) ShopRow(shop *dataset.Shop) any {
	shop, _ = s.poison.Shop(shop)
	row := shopRow{
		ShopID: shop.ShopID, SessionExpired: shop.SessionExpired, Created: shop.Created, ShopURL: shop.URL, Organization: shop.Organization,
		CoID: shop.CoID, SessionUID: shop.SessionUID, ShortName: shop.ShortName, ShopName: shop.Name,
	}
	if shop.Nick != "" {
		row.Nick = &shop.Nick
	}
	if shop.Site != "" {
		row.ShopSite = &shop.Site
	}
	if shop.HasGroup {
		row.shopGroup = &shopGroup{shop.GroupID, shop.GroupName}
	}
	return row
}
