package dataset

// The vocabulary of the made-up documents. Changing any of it changes the data of every seed:
// raise generation then, so that a data directory of before is refused.

type warehouse struct {
	name    string
	whID    string
	wmsCoID int64
}

type supplier struct {
	id   int64
	name string
}

type article struct {
	sku, style, name, unit, properties string
	price                              Decimal
}

var warehouses = []warehouse{
	{"杭州一号仓", "1", 10012345},
	{"杭州一号仓(销退)", "2", 10012345},
	{"广州进货仓", "3", 10012346},
	{"次品仓", "4", 10012345},
	{"成都自定义仓", "6", 10012347},
}

var suppliers = []supplier{
	{501, "供应商甲"},
	{502, "义乌市小商品贸易有限公司"},
	{503, "广州白云皮具厂"},
	{504, `深圳"快印"包装`},
	{505, "O'Neill Textiles (Shanghai) Ltd."},
	{506, "温州鞋业 A&B"},
	{507, "绍兴柯桥轻纺城—面料行"},
	{508, "佛山陶瓷，第三分厂"},
	{509, "青岛海产品加工 100% 直供"},
	{510, "北京图书批发市场"},
	{511, "昆明花卉合作社🌸"},
	{512, "宁波进出口\\保税仓"},
}

var articles = []article{
	{"SKU-A-01", "STYLE-A", "测试T恤", "件", "黑色;L", 355000},
	{"SKU-A-02", "STYLE-A", "测试T恤", "件", "白色;M", 355000},
	{"SKU-A-03", "STYLE-A", "测试T恤", "件", "白色;XL", 362500},
	{"SKU-B-01", "STYLE-B", "纯棉四件套 1.8m床", "套", "灰蓝;1.8m", 1290000},
	{"SKU-B-02", "STYLE-B", "纯棉四件套 1.5m床", "套", "灰蓝;1.5m", 1090000},
	{"SKU-C-01", "STYLE-C", "帆布鞋(男)", "双", "米色;42", 458000},
	{"SKU-C-02", "STYLE-C", "帆布鞋(女)", "双", "米色;37", 458000},
	{"SKU-D-01", "STYLE-D", "保温杯 500ml", "个", "墨绿", 281250},
	{"SKU-D-02", "STYLE-D", "保温杯 750ml", "个", "墨绿", 326600},
	{"SKU-E-01", "STYLE-E", "明前龙井 250g", "罐", "特级", 1680000},
	{"SKU-F-01", "STYLE-F", "面料 32支精梳棉", "米", "藏青", 123456},
	{"SKU-F-02", "STYLE-F", "面料 涤纶里布", "米", "黑", 30125},
	{"SKU-G-01", "STYLE-G", "瓦楞纸箱 5号", "个", "", 9875},
	{"SKU-G-02", "STYLE-G", "气泡袋 20×30cm", "包", "", 4501},
	{"SKU-H-01", "STYLE-H", "手机壳 iPhone 15 \"磨砂\"", "个", "透明", 65000},
	{"SKU-H-02", "STYLE-H", "数据线 Type-C 1m", "条", "白", 72345},
	{"SKU-I-01", "STYLE-I", "儿童绘本《好饿的毛毛虫》", "册", "精装", 238000},
	{"SKU-J-01", "STYLE-J", "香薰蜡烛", "个", "雪松", 199999},
	{"SKU-K-01", "STYLE-K", "大米 东北五常", "千克", "散装", 68000},
	{"SKU-L-01", "STYLE-L", "蓝牙耳机", "副", "白;带充电盒", 1590000},
	{"赠品-01", "赠品", "会员赠品 小样", "件", "", 0},
}

var remarks = []string{
	"样品退回",
	"加急，先入库后补单",
	`供应商说 "下周补发"`,
	`路径 C:\仓库\2025`,
	"第一行\n第二行",
	"列一\t列二",
	"质检OK👍，包装破损2件📦",
	"含税 13%；运费到付 & 自提",
	"it's 100% <b>ok</b>",
	"生僻字：㐂𠮷龘",
}

var labels = []string{"样品", "加急", "样品,加急", "大促备货", "返单"}

var creators = []string{"李四", "王五", "赵六", "欧阳小敏", "系统", "admin"}

var carriers = []struct{ company, prefix string }{
	{"顺丰速运", "SF"}, {"德邦快递", "DPK"}, {"安能物流", "ANE"},
}

var receivers = []Receiver{
	{"张*", "138****0000", "浙江省", "杭州市", "余杭区", "***"},
	{"欧阳**", "139****1111", "广东省", "广州市", "白云区", "***"},
	{"O*", "137****2222", "上海市", "上海市", "浦东新区", "***"},
}
