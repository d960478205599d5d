"""Where there is land: one bit for each degree from 75 north to 60 south.

Source: Natural Earth, 1:110m land (public domain).
"""

from __future__ import annotations

import base64
import zlib

NORTH, SOUTH = 75, -60
_WIDTH = 360
_PACKED = (
    "c-qyNPj4JG6u_U?A+tzJ7SRKdT4f^jzyXPd3v8v($p_#&5U!jSI5bFA#u5@-kixNt(()1d4X^}KxTT*UOcaT7h*U>8WTH-No@eYC"
    "d+ga}#R*F*?b^S2et!S_W&!jdd<K(D0AvaW*s%fiOaa~?ihcR&mt%k_va+4t14#7KCjy)YsFJ5LQ_Wh{P7C<%Qw^(<)Dj9H4B<<4"
    "t}<2Dl3SPvqMA`!T{3)VOjVhtsI8WKR!^sTmAqE%5PCLO>Hy`+{QDEdXl`Z+ZUb=MvFd`Bxr&e4GS}n>&koZ87?nu209Jjg4Txrt"
    "9N_BMW5s}En2{3tBcbj3<xAWgl}##b_`g)Jr-Y)NJDg7uMrFBnP8RMafpk0nPB~<}IZ2hrVCsBDEz?2xSaA(EJ61r^my{W}uZGmC"
    "ke!hh-f9ghlRiAv^B?jiinT_2CW6@ga@x21Mjf8Q=#6JJ0Y~|$yw|fk?CX^^Fc!gplonnS{sB=+y*9^>IfBh7%HQEWTmq?T{n`LI"
    "vLSw_SnH{bu=PG^>~v^i8MZ}W<zGQqOC8h`FO_N@zh6Z{wg{rSd7NCSP%;nT=gk2R1NgZUsAlS??dEs32)3ao_Pw9Z*bL!fe<0VS"
    "1B02n8aZnG=7edr6~ea6rM1-^YkT=<=4N0eKT|9_amvU%fU8X_`1DAzsRI{Pa6r3RD&IQAy4R^8J7;&2TNtj?!H;FuMJNkk>;ANy"
    "e0G6|mHfKwoZZ59CKZ$MDQacmzvmvDn?y6l5U~C&!d4BwM_2&cUs%ZJU!xipKATY&&ODeNO4xMsWP9qusSo4Tv9jX0WR?f8>>^fn"
    "Ue)l&(seiW0${3PCr(Q${9Cilsb-&|@L&kw!a1&xcbyXB!|<#J_v?{2zED-M+k-EL;Cra?yq`Bi@IzE$?gi|%zOf^Dg5x&ApSX5Z"
    "m8w4QN>4Z5MtIAsA~ILE2jB_9qdq({wm$2@t2yuA=NbCZ6srDJix*(!MHMEvYC>0z1Gt#2hH$1$A|QnKDEHt4R3lM^U%HsdyS?W2"
    "a^MPKo>#kp<f#&)Y{xy|Avz;LO{$%hK1@5+41B8F38@>dwLr8N&UNdDr2%^nZ1+N#svdlf6WAzF#U>DnW<GpXnY%g$XFd43FfgBn"
    "aKgqOtal;^=WK<AN?SV{Ysj?*PT7cuFjL3gMJMY<cQl1tp=9!>DKpf8{{gxJcXvXiFHHd>PU?M*+5ss-_?D^AE<Dja293bfmh-&J"
    "(~0g0Igi596!Y9k>LR8^eX#n=xG6JDuuKFUf|--E4YN8=B3jgh3pY$6(jk~TFf;EIIbVlJviPul0m+XZhj7{zpTxN}ME(L;6qX%q"
    "%Sf3$C4WR=qX%_r=cDWiykb$fY{SFm<Tic!Q7*<YSO)MNjPtZwkHN-Z&J{C(_kdR4+zd{B2Dqz8#LiCOSy=bCSSL0^4_e8&Q#{wc"
    "+8tfQ+#Q4AU50PD<1p&1lk<LA-d%~nvW49Xjco?$?Oc!=?qrd2YZ0t{*_Alzb&TCLT*lysVlRMmAAZnDDIbB?+q`+mz=d7Z@yaoi"
    "{=OP`rBj2IJvcP9u<A=FT_HDy^EwJx2p6{Vkwm!m=dc^Xyls<On0l?5qnm^!;If5f`|6d%x*0tyTDXLrXzv+;Q)e|<1|F1LbRC5c"
    "SCKNx+vh|y&IjPahsy}e+O7GU;Z9E{6co>5a2wxLy19wQ5h2|DJLOzD==b+Scc&_L<2730%I*ze(C76FO|}@`>cM;n){XcBAFg20"
    "m@NZ8?sd9@V1hn+;lpAW_Dyg9{fm!L`xjGNABsgP_uAK-ErK_efqU(1&f(@mvHt`wIPv}xf)QRq>3kW<*)s67SOO-?nC^cv{spFV"
    "ebE"
)
_bits = zlib.decompress(base64.b85decode(_PACKED))


def is_land(north: float, east: float) -> bool:
    """True where the degree of that place is land; False beyond the map."""
    row, column = int(NORTH - north), int(east + 180) % _WIDTH
    if not 0 <= row < NORTH - SOUTH:
        return False
    index = row * _WIDTH + column
    return bool(_bits[index // 8] >> (7 - index % 8) & 1)
