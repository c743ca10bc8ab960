"""Names of the columns in price files, by meaning and language.

Words are separated by bars, the better ones first. They are written with their accents.
`columns.plain_name` removes accents and differences of case and spacing, both here and in the header.
"""

from __future__ import annotations

from collections.abc import Mapping

DATE: Mapping[str, str] = {
    "en": "date|datetime|date time|timestamp|time|open time|day|dt|trade date|trading date|trade date time|"
    "observation date|gmt time|local time|date (gmt)",
    "de": "Datum|Tag|Zeit|Zeitstempel|Zeitpunkt|Handelstag|Börsentag",
    "fr": "Date|Jour|Horodatage|Séance|Date de séance",
    "es": "Fecha|Fecha y hora|Día|Sesión",
    "it": "Data|Data e ora|Giorno|Seduta",
    "pt": "Data|Data e hora|Dia|Pregão|Data do pregão",
    "nl": "Datum|Dag|Tijdstip|Handelsdag",
    "ru": "Дата|Дата и время|День|Дата торгов",
    "ja": "日付|日時|年月日|取引日",
    "zh": "日期|交易日期|交易日|日期时间|日期時間",
    "ko": "날짜|일자|일시|거래일",
    "hi": "तारीख|दिनांक|तिथि",
    "tr": "Tarih|Tarih saat|Gün",
    "pl": "Data|Data i godzina|Dzień|Sesja",
    "machines": "unix|unix time|unix timestamp|epoch",
}

TIME: Mapping[str, str] = {
    "en": "time|hour|hour of day",
    "de": "Zeit|Uhrzeit|Stunde",
    "fr": "Heure",
    "es": "Hora",
    "it": "Ora|Orario",
    "pt": "Hora|Horário",
    "nl": "Tijd|Uur",
    "ru": "Время|Час",
    "ja": "時刻|時間|時",
    "zh": "时间|時間|小时|小時",
    "ko": "시간|시각",
    "hi": "समय|घंटा",
    "tr": "Saat",
    "pl": "Godzina|Czas",
}

SYMBOL: Mapping[str, str] = {
    "en": "symbol|ticker|ticker symbol|tic|stock|code|isin|wkn|instrument|security|security id|permno|asset|"
    "pair|name|company",
    "de": "Kürzel|Wertpapier",
    "fr": "Symbole",
    "es": "Símbolo",
    "it": "Simbolo",
    "pt": "Símbolo",
    "nl": "Symbool",
    "ru": "Тикер",
    "ja": "銘柄|銘柄コード|コード",
    "zh": "股票代码|股票代碼|证券代码|代码|代碼",
    "ko": "종목코드|종목명|종목",
    "hi": "प्रतीक",
    "tr": "Sembol",
    "pl": "Symbol",
}

OPEN: Mapping[str, str] = {
    "en": "open|open price|opening price|opening",
    "de": "Erster|Eröffnung|Eröffnungskurs|Eröffn.|Anfang|Anfangskurs",
    "fr": "Ouverture|Ouv.|Cours d'ouverture|Premier",
    "es": "Apertura|Precio de apertura|Abertura",
    "it": "Apertura|Prezzo di apertura|Aper.",
    "pt": "Abertura|Preço de abertura|Abert.",
    "nl": "Opening|Openingskoers|Openingsprijs",
    "ru": "Открытие|Откр.|Цена открытия|Открытия",
    "ja": "始値|始め値|寄付|寄付き",
    "zh": "开盘|开盘价|開盤|開盤價|今开|今開",
    "ko": "시가|오픈|개장가",
    "hi": "खुला|ओपन|खुलने का भाव|खुलने की कीमत|खुलना",
    "tr": "Açılış|Açılış fiyatı",
    "pl": "Otwarcie|Kurs otwarcia|Otw.",
}

HIGH: Mapping[str, str] = {
    "en": "high|high price|highest|day high|max",
    "de": "Hoch|Höchst|Höchstkurs|Tageshoch|Höchstes",
    "fr": "Plus haut|Haut|Le plus haut|Plus haut du jour|Maximum|Cours le plus haut",
    "es": "Máximo|Máx.|Alto|Máxima|Precio máximo",
    "it": "Massimo|Max.|Alto|Prezzo massimo",
    "pt": "Máxima|Máximo|Máx.|Alta|Preço máximo",
    "nl": "Hoog|Hoogste|Hoogste koers|Dagtop",
    "ru": "Максимум|Макс.|Максимальная цена|Высшая|Максимальная",
    "ja": "高値",
    "zh": "最高|最高价|最高價|高|高价",
    "ko": "고가|최고가",
    "hi": "उच्च|उच्चतम|अधिकतम|हाई",
    "tr": "Yüksek|En yüksek|En yüksek fiyat",
    "pl": "Najwyższy|Maks.|Kurs maksymalny|Maksimum|Maksymalny|Najwyższa",
}

LOW: Mapping[str, str] = {
    "en": "low|low price|lowest|day low|min",
    "de": "Tief|Tiefst|Tiefstkurs|Tagestief|Niedrigster",
    "fr": "Plus bas|Bas|Le plus bas|Plus bas du jour|Minimum|Cours le plus bas",
    "es": "Mínimo|Mín.|Bajo|Mínima|Precio mínimo",
    "it": "Minimo|Min.|Basso|Prezzo minimo",
    "pt": "Mínima|Mínimo|Mín.|Baixa|Preço mínimo",
    "nl": "Laag|Laagste|Laagste koers|Dagdal",
    "ru": "Минимум|Мин.|Минимальная цена|Низшая|Минимальная",
    "ja": "安値",
    "zh": "最低|最低价|最低價|低|低价",
    "ko": "저가|최저가",
    "hi": "निम्न|निम्नतम|न्यूनतम|लो",
    "tr": "Düşük|En düşük|En düşük fiyat",
    "pl": "Najniższy|Min.|Kurs minimalny|Minimum|Minimalny|Najniższa",
}

CLOSE: Mapping[str, str] = {
    "en": "close|close/last|closing price|close price|closing",
    "de": "Schlusskurs|Schluss|Schließung",
    "fr": "Clôture|Cours de clôture|Fermeture|Clôt.",
    "es": "Cierre|Precio de cierre",
    "it": "Chiusura|Prezzo di chiusura|Chius.",
    "pt": "Fechamento|Fecho|Preço de fechamento|Encerramento",
    "nl": "Slotkoers|Slot|Sluiting|Sluitkoers|Slotprijs",
    "ru": "Закрытие|Закр.|Цена закрытия|Закрытия",
    "ja": "終値|終り値|引値",
    "zh": "收盘|收盘价|收盤|收盤價",
    "ko": "종가|종료가",
    "hi": "बंद|क्लोज|बंद भाव|बंद कीमत|समापन मूल्य|समापन",
    "tr": "Kapanış|Kapanış fiyatı",
    "pl": "Zamknięcie|Kurs zamknięcia|Zamk.",
}

SETTLEMENT: Mapping[str, str] = {"en": "settle|settlement|settlement price"}

LAST: Mapping[str, str] = {
    "en": "last|last price|px last|ltp|last traded price",
    "de": "Zuletzt|Letzter|Letzter Kurs",
    "fr": "Dernier|Dernier cours|Dern.",
    "es": "Último|Último precio|Últ.",
    "it": "Ultimo|Ultimo prezzo|Ult.",
    "pt": "Último|Última|Último preço|Últ.",
    "nl": "Laatste|Laatste koers",
    "ru": "Последняя|Последняя цена|Посл.",
    "ja": "現在値",
    "zh": "最新价|最新價|现价|現價|成交价|最新",
    "ko": "현재가",
    "hi": "अंतिम|अंतिम भाव|आखिरी",
    "tr": "Son|Son fiyat|Şimdi",
    "pl": "Ostatnio|Ostatni|Ostatni kurs",
}

PRICE: Mapping[str, str] = {
    "en": "price|nav|net asset value",
    "de": "Kurs|Preis|Börsenkurs",
    "fr": "Cours|Prix|Valeur liquidative",
    "es": "Precio|Cotización",
    "it": "Prezzo|Quotazione",
    "pt": "Preço|Cotação",
    "nl": "Koers|Prijs",
    "ru": "Цена|Курс|Котировка",
    "ja": "価格|株価|値段",
    "zh": "价格|價格|股价|股價",
    "ko": "가격|주가",
    "hi": "कीमत|मूल्य|भाव",
    "tr": "Fiyat|Fiyatı",
    "pl": "Cena|Kurs|Notowanie",
}

ADJUSTED_CLOSE: Mapping[str, str] = {
    "en": "adj close|adjusted close|close adj|close adjusted|adj closing price|adjusted closing price|"
    "adj close price|adjusted price|adj price",
    "de": "Bereinigter Schlusskurs|Schlusskurs bereinigt|Bereinigter Kurs|Adj. Schluss|Adj. Schlusskurs",
    "fr": "Clôture ajustée|Cours ajusté|Cours de clôture ajusté|Clôture aj.",
    "es": "Cierre ajustado|Cierre aj.|Precio de cierre ajustado|Precio ajustado",
    "it": "Chiusura rettificata|Chiusura aggiustata|Prezzo rettificato",
    "pt": "Fechamento ajustado|Fecho ajustado|Fechamento aj.|Preço ajustado",
    "nl": "Aangepaste slotkoers|Aangepast slot|Aangepaste koers|Gecorrigeerde slotkoers",
    "ru": "Скорректированная цена закрытия|Скорр. закрытие|Скорректированное закрытие|Скорректированная цена",
    "ja": "調整後終値|調整済終値|調整済み終値|終値調整値|修正後終値",
    "zh": "复权收盘价|前复权收盘价|后复权收盘价|调整后收盘价|調整後收盤價|复权价",
    "ko": "수정종가|수정주가|조정종가",
    "hi": "समायोजित बंद|समायोजित क्लोज|समायोजित बंद भाव|समायोजित मूल्य",
    "tr": "Düzeltilmiş kapanış|Düzeltilmiş fiyat|Düz. kapanış",
    "pl": "Zamknięcie skorygowane|Skorygowane zamknięcie|Skorygowany kurs zamknięcia|Kurs skorygowany",
}

VOLUME: Mapping[str, str] = {
    "en": "volume|vol|total volume|share volume|shares traded",
    "de": "Stücke|Volumen|Umsatz|Stück|Handelsvolumen",
    "fr": "Volume|Volumes|Volume échangé",
    "es": "Volumen|Volumen negociado",
    "it": "Volume|Volumi|Quantità",
    "pt": "Volume|Volume negociado",
    "nl": "Volume|Omzet|Handelsvolume",
    "ru": "Объём|Объем торгов|Объёмы",
    "ja": "出来高|売買高",
    "zh": "成交量|交易量|总手|量",
    "ko": "거래량",
    "hi": "वॉल्यूम|मात्रा|कारोबार",
    "tr": "Hacim|Hac.|İşlem hacmi",
    "pl": "Wolumen|Wol.|Obrót",
}

CHANGE: Mapping[str, str] = {
    "en": "change|change %|change percent|pct change|percent change|percentage change|% change|chg|% chg|"
    "net change|%|+/-|+/- %|+/-%",
    "de": "Veränderung|Veränderung %|Änderung|Änderung %|Diff.|Differenz|Diff. %",
    "fr": "Variation|Variation %|Var.|Évolution|Écart",
    "es": "Variación|% var.|Cambio|Cambio %|Variación %",
    "it": "Variazione|Var. %|Variazione %|Var.",
    "pt": "Variação|Var%|Variação %|Oscilação",
    "nl": "Verschil|Verschil %|Wijziging|Verandering|Koerswijziging",
    "ru": "Изм.|Изм. %|Изменение|Изменение цены",
    "ja": "変化率|前日比|騰落率|変化率 %|前日比%",
    "zh": "涨跌幅|漲跌幅|涨跌|涨跌额|漲跌|变动|涨幅",
    "ko": "변동|변동 %|등락률|전일대비|대비|전일비",
    "hi": "बदलाव|बदलाव %|परिवर्तन|परिवर्तन %",
    "tr": "Değişim|Değişim %|Fark|Fark %|Değ. %",
    "pl": "Zmiana|Zmiana%|Zmiana procentowa",
}
