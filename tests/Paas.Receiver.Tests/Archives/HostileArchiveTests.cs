using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.Archives;

/// <summary>One table of archives that somebody made to do harm, each in every format that can say it.</summary>
public sealed class HostileArchiveTests : IDisposable
{
    static readonly UnpackLimits Limits = new(200, 2_000_000, 1000, 1 << 20, false);

    readonly Scratch scratch = new();
    readonly Bundler bundler = new();

    public void Dispose() => scratch.Dispose();

    [Theory]
    [InlineData("file('/etc/evil')", "absolute")]
    [InlineData("file('../evil')", "leads elsewhere")]
    [InlineData("file('a/../../evil')", "leads elsewhere")]
    [InlineData("file('a/..')", "leads elsewhere")]
    [InlineData("link('a', '/tmp'); file('a/evil')", "leads through")]
    [InlineData("link('a', '..'); file('a/evil')", "leads through")]
    [InlineData("link('a', '..'); folder('a')", "twice")]
    [InlineData("link('a', '..'); folder('a/b')", "leads through")]
    [InlineData("file('b'); file('b/evil')", "leads through")]
    [InlineData("link('a', 'b'); file('a')", "twice")]
    [InlineData("file('a'); file('a')", "twice")]
    [InlineData("file('a'); file('./a')", "twice")]
    [InlineData("file('a'); file('a//')", "")]
    [InlineData("file('a'); folder('a')", "twice")]
    [InlineData("file('d/x'); file('d')", "twice")]
    [InlineData("file('Makefile'); file('makefile')", "upper and lower case")]
    [InlineData("file('A/x'); file('a/y')", "upper and lower case")]
    [InlineData("file('Ä'); file('ä')", "upper and lower case")]
    [InlineData("hard('a', '/etc/passwd')", "absolute")]
    [InlineData("hard('a', '../../secret')", "leads elsewhere")]
    [InlineData("link('l', '/etc'); hard('a', 'l/passwd')", "no file of the archive")]
    [InlineData("link('l', '/etc/passwd'); hard('a', 'l')", "no file of the archive")]
    [InlineData("hard('a', 'later'); file('later')", "no file of the archive")]
    [InlineData("hard('a', 'a')", "no file of the archive")]
    [InlineData("special('null', tarfile.CHRTYPE)", "no file, directory or link")]
    [InlineData("special('disk', tarfile.BLKTYPE)", "no file, directory or link")]
    [InlineData("special('pipe', tarfile.FIFOTYPE)", "no file, directory or link")]
    [InlineData("file('su', mode=0o4755)", "setuid")]
    [InlineData("file('sg', mode=0o2755)", "setuid")]
    [InlineData("special('sock', SOCKET)", "no file, directory or link")]
    [InlineData("file('nul\\0name')", "no path", "zip")]
    [InlineData("file('x' * 256)", "leads elsewhere")]
    [InlineData("link('x', '')", "points nowhere")]
    [InlineData("file('good'); raw(b'rubbish' * 200)", "check sum")]
    [InlineData("file('good'); stop()", "cut off")]
    [InlineData("file('good', b'x' * 5000); stop(1000)", "cut off")]
    [InlineData("file('good'); t.close(); out.write(b'hidden' * 100)", "behind its end")]
    [InlineData("for i in range(300): file('f%d' % i)", "entries")]
    [InlineData("file('a/' * 250 + 'f')", "entries")]
    [InlineData("file('big', b'0' * 3000000)", "bytes")]
    [InlineData("i = tarfile.TarInfo('huge'); i.size = 1 << 62; out.write(i.tobuf(tarfile.GNU_FORMAT))", "bytes")]
    [InlineData("i = tarfile.TarInfo('minus'); i.size = -5; out.write(i.tobuf(tarfile.GNU_FORMAT))", "negative")]
    [InlineData("pax('path', '../evil'); file('harmless')", "leads elsewhere")]
    [InlineData("pax('path', '/evil'); file('harmless')", "absolute")]
    [InlineData("pax('size', '-1'); file('harmless')", "size that cannot be read")]
    [InlineData("raw(head(b'x', b'999999999 path=x\\n'))", "pax header")]
    [InlineData("raw(head(b'x', b'17 path=x\\n'))", "pax header")]
    [InlineData("raw(head(b'L', b'../evil\\0')); file('harmless')", "leads elsewhere")]
    public async Task A_hostile_archive_is_refused_in_every_format_and_leaves_nothing(string script, string why, string only = "")
    {
        File.WriteAllText(scratch.Root + "/make.py", Maker);
        File.WriteAllText(scratch.Root + "/script.py", script);
        scratch.Sh("python3 make.py; test ! -e evil.tar || { zstd -q evil.tar -o evil.tar.zst; rm evil.tar; }; echo secret > ../secret; mkdir place");
        var made = Directory.EnumerateFiles(scratch.Root, "evil.*").Where(file => file.EndsWith(only, StringComparison.Ordinal)).ToList();
        Assert.Equal(only.Length > 0 ? 1 : OnlyTarSays(script) ? 3 : 4, made.Count);

        foreach (var file in made)
        {
            var refusal = await Record.ExceptionAsync(() => bundler.UnpackAsync(file, scratch.Root + "/place/out", null, null, Limits, default));

            Assert.Contains(why, Assert.IsType<Refusal>(refusal).Message);
            Assert.Empty(Directory.EnumerateFileSystemEntries(scratch.Root + "/place"));
        }

        Assert.Equal("secret\n", scratch.Sh("for f in ../../evil /tmp/evil /etc/evil /evil ../evil evil; do test ! -e $f; done; cat ../secret"));
    }

    [Theory]
    [InlineData("z = whole(); z = z.replace(flags(0), flags(1))", "encrypted")]
    [InlineData("z = whole(); z = z.replace(flags(0), flags(0x40))", "encrypted")]
    [InlineData("z = whole(method=12)", "method 12")]
    [InlineData("z = whole(); z = z[:-10]", "cut off")]
    [InlineData("z = whole(); z = z[:len(z) // 2]", "cut off")]
    [InlineData("z = b'PK\\3\\4'", "cut off")]
    [InlineData("z = b'PK\\3\\4' + b'rubbish' * 1000", "cut off")]
    [InlineData("z = bytearray(whole()); z[45] ^= 1", "check sum")]
    [InlineData("z = whole(comp=0); z = z.replace(b'content', b'contemt')", "check sum")]
    [InlineData("z = central(whole(), 24, 6)", "something else by its own header")]
    [InlineData("z = central(whole(sized=False), 24, 6)", "longer than it says")]
    [InlineData("z = central(whole(sized=False), 24, 9000)", "shorter than it says")]
    [InlineData("z = central(whole(sized=False), 24, 1900000000)", "bytes")]
    [InlineData("z = central(whole(sized=False), 20, 1 << 20)", "overlaps its directory")]
    [InlineData("z = central(whole(), 42, 7)", "not where its directory says")]
    [InlineData("z = central(whole(), 42, 0xFFFFFFFF)", "cut off")]
    [InlineData("z = twice(whole())", "overlaps another")]
    [InlineData("z = whole().replace(b'name.txt', b'evil.txt', 1)", "something else by its own header")]
    [InlineData("z = whole('a\\\\..\\\\..\\\\evil')", "backslash")]
    [InlineData("z = whole('C:\\\\evil')", "backslash")]
    [InlineData("z = b'PK\\3\\4 a program in front' + whole()", "in front")]
    [InlineData("z = whole(); z = z[:-12] + struct.pack('<H', 60000) + z[-10:]", "part")]
    [InlineData("z = whole(); z = z[:-14] + struct.pack('<HH', 60000, 60000) + z[-10:]", "entries")]
    [InlineData("z = whole(); z = z[:-14] + struct.pack('<HH', 9, 9) + z[-10:]", "length is wrong")]
    [InlineData("z = whole(); z = z[:-14] + struct.pack('<HH', 0, 0) + z[-10:]", "length is wrong")]
    [InlineData("z = whole(); z = z[:-22] + z64(1 << 60) + z[-22:]", "directory is not where")]
    [InlineData("z = whole() + whole()", "in front")]
    public async Task What_only_zip_can_get_wrong_is_refused_too(string script, string why)
    {
        File.WriteAllText(scratch.Root + "/make.py", $$"""
            import zipfile, io, struct, sys
            def whole(name='name.txt', comp=8, method=None, sized=True):
                out = io.BytesIO()
                class Pipe:                      # cannot seek: sizes follow the content
                    def write(self, b): return out.write(b)
                    def flush(self): pass
                with zipfile.ZipFile(out if sized else Pipe(), 'w', comp) as t:
                    with t.open(zipfile.ZipInfo(name) if comp == 0 else named(name, comp), 'w') as f: f.write(b'content ' * 9)
                z = out.getvalue()
                return z if method is None else central(z[:8] + struct.pack('<H', method) + z[10:], 10, method, '<H')
            def named(name, comp):
                i = zipfile.ZipInfo(name); i.compress_type = comp; i.filename = name; return i
            def central(z, at, value, form='<I'):
                z = bytearray(z); start = z.rindex(b'PK\1\2'); struct.pack_into(form, z, start + at, value); return bytes(z)
            def flags(bits): return struct.pack('<HH', bits, 8)
            def twice(z):                        # two entries, one content
                start, end = z.rindex(b'PK\1\2'), z.rindex(b'PK\5\6')
                entry = z[start:end]
                return z[:start] + entry * 2 + z[end:end + 8] + struct.pack('<HHII', 2, 2, len(entry) * 2, start) + b'\0\0'
            def z64(where): return struct.pack('<IIQI', 0x07064b50, 0, where, 1)
            {{script}}
            sys.stdout.buffer.write(bytes(z))
            """);
        scratch.Sh("python3 make.py > evil.zip; mkdir place");

        var refusal = await Record.ExceptionAsync(() => bundler.UnpackAsync(scratch.Root + "/evil.zip", scratch.Root + "/place/out", null, null, Limits, default));

        Assert.Contains(why, Assert.IsType<Refusal>(refusal).Message);
        Assert.Empty(Directory.EnumerateFileSystemEntries(scratch.Root + "/place"));
    }

    /// <summary>Written by Info-ZIP's own names and modes, by a pipe that knows no sizes, with zip64, not packed, and with a comment.</summary>
    [Theory]
    [InlineData("shutil.copyfileobj")]
    [InlineData("stored")]
    [InlineData("zip64")]
    [InlineData("piped")]
    [InlineData("comment")]
    public async Task An_honest_zip_is_unpacked_with_its_modes_and_links(string how)
    {
        File.WriteAllText(scratch.Root + "/make.py", $$"""
            import zipfile, os, stat, sys
            how = '{{how}}'
            out = open('x.zip', 'wb')
            class Pipe:
                def write(self, b): return out.write(b)
                def flush(self): pass
            with zipfile.ZipFile(Pipe() if how == 'piped' else out, 'w', 0 if how == 'stored' else 8) as t:
                if how == 'comment': t.comment = b'PK\5\6 not the end' * 9
                for top, dirs, files in os.walk('tree'):
                    for n in dirs + files:
                        full = os.path.join(top, n); s = os.lstat(full)
                        i = zipfile.ZipInfo(full[5:] + ('/' if stat.S_ISDIR(s.st_mode) else ''), (2024, 5, 6, 7, 8, 8))
                        i.external_attr = s.st_mode << 16; i.compress_type = 0 if how == 'stored' else 8
                        with t.open(i, 'w', force_zip64=how == 'zip64') as f:
                            f.write(os.readlink(full).encode() if stat.S_ISLNK(s.st_mode) else b'' if stat.S_ISDIR(s.st_mode) else open(full, 'rb').read())
            """);
        scratch.Sh("""
            mkdir -p tree/a/b tree/empty; echo one > tree/a/one; : > tree/zero; echo ü > tree/ü; head -c 3500000 /dev/urandom > tree/large; printf '#!/bin/sh\n' > tree/run; chmod 755 tree/run
            n=$(printf 'n%.0s' {1..200}); mkdir -p tree/$n; echo long > tree/$n/$n; ln -s $n/$n tree/longlink; ln -s ../a tree/a/b/up; python3 make.py
            """);

        var digest = await bundler.UnpackAsync(scratch.Root + "/x.zip", scratch.Root + "/out", null, null, UnpackLimits.Foreign, default);

        Assert.Equal("", scratch.Sh("diff -r --no-dereference tree out"));
        Assert.Equal(await bundler.DigestAsync(scratch.Root + "/tree", default), digest);
        Assert.Equal("755 644 1714979288\n", scratch.Sh("echo $(stat -c %a out/run out/a/one) $(stat -c %Y out/run)"));
    }

    [Fact]
    public async Task A_small_zip_that_unpacks_to_much_is_stopped()
    {
        scratch.Sh("mkdir place; python3 -c \"import zipfile; z = zipfile.ZipFile('x.zip', 'w', 8); z.writestr('zeros', bytes(300 << 20))\"");

        var refusal = await Assert.ThrowsAsync<Refusal>(() => bundler.UnpackAsync(scratch.Root + "/x.zip", scratch.Root + "/place/out", null, null, UnpackLimits.Foreign, default));

        Assert.Contains("times its size", refusal.Message);
        Assert.Empty(Directory.EnumerateFileSystemEntries(scratch.Root + "/place"));
    }

    static bool OnlyTarSays(string script) => new[] { "hard(", "raw(", "pax(", "head(", "stop(", "tobuf(", "out.write(" }.Any(script.Contains);

    const string Maker = """
        import tarfile, zipfile, io, os, sys, stat, gzip, lzma, warnings
        warnings.simplefilter('ignore')
        class Unsayable(Exception): pass
        class Enough(Exception): pass
        SOCKET = 'socket'
        script = open('script.py').read()

        raw_out = io.BytesIO(); out = raw_out; cut = 0
        t = tarfile.open(fileobj=out, mode='w', format=tarfile.PAX_FORMAT)
        def file(name, content=b'content', mode=0o644):
            i = tarfile.TarInfo(name); i.size = len(content); i.mode = mode; t.addfile(i, io.BytesIO(content))
        def add(name, type, target=''):
            i = tarfile.TarInfo(name); i.type = type; i.linkname = target; i.mode = 0o755; t.addfile(i)
        def link(name, target): add(name, tarfile.SYMTYPE, target)
        def hard(name, target): add(name, tarfile.LNKTYPE, target)
        def folder(name): add(name, tarfile.DIRTYPE)
        def special(name, type): add(name, b's' if type == SOCKET else type)
        def raw(content): out.write(content.ljust((len(content) + 511) // 512 * 512, b'\0'))
        def head(kind, content):
            i = tarfile.TarInfo('head'); i.size = len(content); i.type = kind; return i.tobuf(tarfile.GNU_FORMAT) + content.ljust(512, b'\0')
        def pax(key, value):
            r = ' %s=%s\n' % (key, value); n = len(r) + 2; raw(head(b'x', ('%d%s' % (n, r)).encode()))
        def stop(back=0):
            global cut; cut = back; raise Enough
        try:
            exec(script); t.close(); whole = raw_out.getvalue()
        except Enough: whole = raw_out.getvalue()[:len(raw_out.getvalue()) - cut]
        open('evil.tar', 'wb').write(whole)
        gzip.open('evil.tar.gz', 'wb').write(whole)
        lzma.open('evil.tar.xz', 'wb').write(whole)

        z = zipfile.ZipFile('evil.zip', 'w', 8)
        def entry(name, content, mode):
            i = zipfile.ZipInfo(name); i.filename = i.orig_filename = name; i.external_attr = mode << 16; i.compress_type = 8; z.writestr(i, content)
        def file(name, content=b'content', mode=0o644): entry(name, content, stat.S_IFREG | mode)
        def link(name, target): entry(name, target, stat.S_IFLNK | 0o777)
        def folder(name): entry(name + '/', b'', stat.S_IFDIR | 0o755)
        def special(name, type): entry(name, b'', {tarfile.CHRTYPE: stat.S_IFCHR, tarfile.BLKTYPE: stat.S_IFBLK, tarfile.FIFOTYPE: stat.S_IFIFO, SOCKET: stat.S_IFSOCK}[type] | 0o755)
        def no(*_): raise Unsayable
        hard = raw = head = pax = stop = no
        class Sealed:
            write = no
        out = Sealed(); t = z
        try: exec(script); z.close()
        except Unsayable: os.remove('evil.zip')
        """;
}
