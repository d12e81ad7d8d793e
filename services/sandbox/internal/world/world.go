// Package world holds the master data that the imitated systems have in common: the goods that
// one system sells are the materials that another one keeps the books of.
package world

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Params choose a World. Equal parameters make an equal one.
type Params struct {
	Seed uint64
	// Goods and Shops are how many there are.
	Goods, Shops int
	// LateShare is the share of the goods (0 to 1) that the finance systems do not have until
	// Release is called.
	LateShare float64
}

// Good is one article: a SPU with one SKU.
type Good struct {
	// GoodsNo is the SPU's code (goods_no of Wangdiantong, number of Xingchen), SKU the code of the
	// variant (spec_no, sku_id, F_103 of KIS).
	GoodsNo string `json:"goods_no"`
	SKU     string `json:"sku"`
	Name    string `json:"name"`
	Spec    string `json:"spec"`
	Barcode string `json:"barcode"`
	// Unit is the one that stock is counted in.
	Unit Unit `json:"unit"`
	// Price is in units of 0.0001.
	Price int64 `json:"price_e4"`
	// Late goods are not known to the finance systems before Release.
	Late bool `json:"late"`
}

// Unit is a unit of measure. One of it is Coefficient base units of its group.
type Unit struct {
	Name        string `json:"name"`
	Coefficient int    `json:"coefficient"`
}

// Warehouse is a place where goods are.
type Warehouse struct {
	No   string `json:"no"`
	Name string `json:"name"`
}

// Shop is a shop that sells.
type Shop struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
	Site string `json:"site"`
}

// Excluded is the number of the warehouse that the finance system has no store for.
const Excluded = "WH2024052601"

// World is the master data. Its methods may be called at once.
type World struct {
	Goods      []Good
	Warehouses []Warehouse
	Units      []Unit
	Shops      []Shop

	mu       sync.Mutex
	released time.Time
}

var (
	units      = []Unit{{"个", 1}, {"件", 1}, {"套", 1}, {"箱", 12}, {"双", 2}}
	warehouses = []Warehouse{{"WH01", "华东一仓"}, {"WH02", "华南二仓"}, {"WH03", "西南三仓"}, {Excluded, "代发虚拟仓"}}
	nouns      = []string{"纯棉短袖T恤", "帆布袋", "保温杯", "四件套", "蓝牙耳机", "数据线", "香薰蜡烛", "儿童绘本", "瓦楞纸箱", "气泡袋", "运动袜", "面料 32支精梳棉"}
	colours    = []string{"红色 M", "黑色 L", "白色 XL", "默认规格", "墨绿", "米色;42"}
	sites      = []string{"商家自有商城", "淘宝天猫", "京东", "拼多多", "头条放心购"}
	brands     = []string{"示例", "云杉", "白鹭", "青禾", `"远山"`, "A&B", "O'Neill"}
)

// New makes the World of p.
func New(p Params) *World {
	rng := rand.New(rand.NewPCG(p.Seed, 0x776f726c64))
	w := &World{Units: units, Warehouses: warehouses}
	for i := range p.Goods {
		w.Goods = append(w.Goods, Good{
			GoodsNo: fmt.Sprintf("SPU-%05d", i+1), SKU: fmt.Sprintf("SKU-%05d-%02d", i+1, 1+rng.IntN(9)),
			Name: nouns[rng.IntN(len(nouns))], Spec: colours[rng.IntN(len(colours))],
			Barcode: fmt.Sprintf("69%011d", i+1), Unit: units[rng.IntN(len(units))],
			Price: int64(1 + rng.IntN(5_000_000)), Late: rng.Float64() < p.LateShare,
		})
	}
	for i := range p.Shops {
		w.Shops = append(w.Shops, Shop{
			ID: int64(10394001 + i), Name: fmt.Sprintf("%s旗舰店%d", brands[rng.IntN(len(brands))], i+1), Site: sites[rng.IntN(len(sites))],
		})
	}
	return w
}

// Release makes the late goods known to the finance systems, once: later calls change nothing.
func (w *World) Release(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.released.IsZero() {
		w.released = now
	}
}

// Released returns when the late goods were released; zero if they were not.
func (w *World) Released() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.released
}

// Known reports whether the finance systems have a good.
func (w *World) Known(g Good) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !g.Late || !w.released.IsZero()
}
